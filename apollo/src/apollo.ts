import './elements/notifications.js';

export { AthenaNotifications } from './elements/notifications.js';
