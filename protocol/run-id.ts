// The pattern of run ids.

/** Run ids that a client may choose. An id is also the name of a folder. */
export const runIdPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
