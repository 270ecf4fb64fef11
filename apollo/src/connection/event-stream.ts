/**
 * Parses an event stream (HTML Living Standard section 9.2.6), as far as Athena uses it: `data` lines and comments.
 * Pure: feed it text as it arrives, in chunks of any size.
 */
export class EventStreamParser {
  private rest = '';
  private data: string[] = [];

  /** The data of each event completed by this chunk. */
  feed(chunk: string): string[] {
    const events: string[] = [];
    const lines = (this.rest + chunk).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (this.data.length > 0) events.push(this.data.join('\n'));
        this.data = [];
      } else if (line.startsWith('data:')) {
        this.data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
    return events;
  }
}
