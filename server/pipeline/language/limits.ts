// Limits of a pipeline file. A file that exceeds a limit gets a diagnostic.

/** Maximum size of the text, in bytes of UTF-8. */
export const textBytesMax = 1 << 20;
/** Maximum number of jobs that run, and of names in a workflow. */
export const jobsMax = 1_000;
/** Maximum number of diagnostics to report. One more diagnostic counts the rest. */
export const diagnosticsMax = 100;
/** Maximum number of values that aliases repeat, in total. */
export const aliasedValuesMax = 100_000;
/** Maximum length of the name of a job or service, in characters. */
export const nameCharsMax = 200;
/** Maximum nesting depth of parentheses and `!` in a condition. */
export const conditionDepthMax = 50;
export const axesMax = 5;
/** Maximum number of combinations of one matrix. */
export const combinationsMax = 256;
/** Maximum length of one matrix value, in characters. The value becomes part of the job's id. */
export const axisValueCharsMax = 200;
export const servicesMax = 20;
/** Maximum number of variables in `env`, and of items in a list of strings that has no limit of its own. */
export const itemsMax = 1_000;
/** Maximum total size of the regular expressions of a file, as `estimateProgramSize` computes it. */
export const regexpBudgetMax = 200_000;
