// What a run may be called.

/** Ids that a client may choose for its run; they name a folder. */
export const runIdPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
