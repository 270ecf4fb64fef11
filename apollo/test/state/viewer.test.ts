import type { ReactiveControllerHost } from 'lit';
import { expect, test, vi } from 'vitest';
import type { Client, Viewer } from '../../src/api/client.js';
import { ApiError } from '../../src/api/session.js';
import { ViewerController } from '../../src/state/viewer.js';

const host = { addController: () => undefined, requestUpdate: () => undefined } as unknown as ReactiveControllerHost;

function setup() {
  const client = {
    viewer: vi.fn(async (): Promise<Viewer | undefined> => ({ name: 'ann', role: 'viewer', hasSession: true })),
    signOut: vi.fn(async (): Promise<void> => undefined),
  };
  const signedOut = vi.fn();
  return { client, signedOut, viewer: new ViewerController(host, () => client as unknown as Client, signedOut) };
}

test('whoever is signed in can sign out', async () => {
  const { viewer, signedOut } = setup();
  await viewer.load();
  expect(viewer.who?.name).toBe('ann');
  await viewer.signOut();
  expect(viewer.who).toBeUndefined();
  expect(signedOut).toHaveBeenCalledTimes(1);
});

test('signing out that fails leaves one signed in, and says so', async () => {
  const { client, viewer, signedOut } = setup();
  client.signOut.mockRejectedValueOnce(new ApiError(0, 'unreachable', ''));
  await viewer.load();
  await viewer.signOut();
  expect(viewer.who?.name).toBe('ann');
  expect(viewer.signOutFailed).toBe(true);
  expect(signedOut).not.toHaveBeenCalled();
});

test('only managers archive; while nobody knows who we are, Athena is to say', async () => {
  const { client, viewer } = setup();
  expect(viewer.mayArchive).toBe(true);
  await viewer.load();
  expect(viewer.mayArchive).toBe(false);
  client.viewer.mockResolvedValueOnce({ name: 'everyone', role: 'manager', hasSession: false });
  await viewer.load();
  expect(viewer.mayArchive).toBe(true);
});

test('who we are is not forgotten while Athena cannot be asked', async () => {
  const { client, viewer } = setup();
  await viewer.load();
  client.viewer.mockRejectedValueOnce(new ApiError(0, 'unreachable', ''));
  await viewer.load();
  expect(viewer.mayArchive).toBe(false);
  viewer.forget();
  expect(viewer.who).toBeUndefined();
});

test('nobody to show where Athena cannot be asked', async () => {
  const { client, viewer } = setup();
  client.viewer.mockRejectedValueOnce(new ApiError(0, 'unreachable', ''));
  await viewer.load();
  expect(viewer.who).toBeUndefined();
});
