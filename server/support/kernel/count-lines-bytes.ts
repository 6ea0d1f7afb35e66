// The WebAssembly module compiled from count-lines.wat, as base64. A test compares it with the source.

export const countLinesBytes =
  'AGFzbQEAAAABBwFgAn9/AX8CDwEDZW52Bm1lbW9yeQIAAQMCAQAHCQEFY291bnQAAApYAVYCA38Be0EK/Q8hBQJAA0AgASAAayEDIANBAEwNAS' +
  'AA/QAEACAF/SP9ZCEEIANBEEkEQCAEQQEgA3RBAWtxIQQLIAIgBGlqIQIgAEEQaiEADAALCyACCw==';
