// Binary frames that carry bytes of input or output (v2). Text frames cannot, because they must be valid UTF-8.

/** The first byte of such a frame. No JSON begins with it, so the other binary frames are control messages. */
const dataMark = 0;

/** Returns the bytes that a binary frame carries, as a view; undefined for a control message. */
export function readDataFrame<T extends Uint8Array>(frame: T): T | undefined {
  return frame[0] === dataMark ? (frame.subarray(1) as T) : undefined;
}

export function encodeDataFrame(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(bytes.length + 1);
  frame[0] = dataMark;
  frame.set(bytes, 1);
  return frame;
}
