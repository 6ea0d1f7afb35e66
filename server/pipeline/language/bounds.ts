// How far a pipeline file may go. Reaching one of these is a complaint, with its place.

/** Of the text, in UTF-8. */
export const textBytesMax = 1 << 20;
/** Jobs that run, and names in a workflow. */
export const jobsMax = 1_000;
/** Complaints that are told; of the others the number. */
export const complaintsMax = 100;
/** Values that aliases repeat, all in all. */
export const repeatedMax = 100_000;
/** Characters of the name of a job or a service. */
export const nameCharsMax = 200;
/** Parentheses and `!` of a condition in one another. */
export const conditionDepthMax = 50;
export const axesMax = 5;
/** Of the values of one matrix. */
export const combinationsMax = 256;
/** Characters of one value of a matrix: it is in the name of its job. */
export const axisValueCharsMax = 200;
export const servicesMax = 20;
/** Items of any list of a job but its script. */
export const itemsMax = 1_000;
/** Regular expressions of a file, by `weightOf` them. */
export const expressionWeightMax = 200_000;
