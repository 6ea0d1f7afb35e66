// What a terminal shows of a line that a program redraws with carriage returns, as progress bars do.

/**
 * Returns the text after the last carriage return. Carriage returns at the end do not count: they only move the cursor.
 */
export function visibleText(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end -= 1;
  return line.slice(line.lastIndexOf('\r', end - 1) + 1, end);
}
