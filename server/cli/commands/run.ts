// `distillery run [FILE]`: runs a pipeline of the caller's own at the gateway, with the files it needs, and shows how its jobs get on.

import { Command } from 'commander';
import { openCall, type OpenCall } from '../../../protocol/client.ts';
import { runAtTerminal } from '../call/run-at-terminal.ts';
import { complain, printable } from '../call/status.ts';
import type { View } from '../call/view.ts';
import { size } from '../call/words.ts';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import { hasColour, painter } from '../paint.ts';
import type { Ends, House } from '../parts.ts';
import { Board, type Screen } from '../pipeline/board.ts';
import { readPipelineFile, usualFiles, type PipelineFile } from '../pipeline/read.ts';
import { folderProblem, ignoreFile, sendFolder } from '../pipeline/send.ts';
import { jsonView, prefixedView } from '../pipeline/views.ts';
import { runId } from './run-id.ts';
import { variableOption, type Variables } from './variables.ts';
import { atGateway, whereTexts, type WhereFlags } from './where.ts';

interface RunFlags extends WhereFlags {
  readonly filepath?: string;
  readonly var: Variables;
  readonly workspace?: string;
  readonly gatewayWorkspace?: string;
  readonly detach?: true;
  readonly plain?: true;
  readonly json?: true;
  readonly quiet?: true;
  readonly id?: string;
  readonly onDisconnect?: string;
  readonly reconnect: boolean;
  readonly result?: string;
}

const after = `
FILE is ${usualFiles.join(', else ')}, when none is named; "-" is stdin. It is checked here first: every mistake is told with its place, and nothing is sent.

When a job needs files (copyFiles, dockerfile, host), the current folder is sent, or that of --workspace. ${ignoreFile} in it says, as .gitignore does,
what stays here.

At a terminal there is one line for each job, and at the end the last lines of those that failed; elsewhere, or with --plain, stdout gets every line of the jobs as
"[job] line", and stderr what the jobs do. Ctrl-C cancels the run and waits until everything it started is gone; a second one skips the grace; a third one leaves at once.

Exit codes: 0 succeeded, or with --detach accepted; that of the first failed job (1 when there is none), and 1 too when the file is not there or not valid; 2 rejected;
124 timed out; 125 unknown, or the gateway cannot be reached; 130 cancelled.

Examples:
  $ distillery run
  $ distillery run release.yaml --var VERSION=1.4.0
  $ distillery run --plain --workspace none check.yaml > log.txt
  $ run=$(distillery run --detach nightly.yaml) && distillery attach "$run"`;

export function runCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('run')
    .alias('apply')
    .summary('run a pipeline file and watch its jobs')
    .description('Run a pipeline at the gateway, with the files it needs, and stay with it to the end.')
    .argument('[file]', 'the pipeline file')
    .option('-f, --filepath <file>', 'the pipeline file, for those who are used to this')
    .addOption(variableOption())
    .option('-w, --workspace <folder>', 'the folder that is sent, whether a job needs it or not; "none" for no files')
    .option('--gateway-workspace <folder>', 'in place of that, a folder of the gateway\'s machine, where its operator allows it')
    .option('-d, --detach', 'leave the run to itself as soon as it has its files; its id goes to stdout')
    .option('--plain', 'lines in place of the live view')
    .option('--json', 'everything that is told as one line of JSON each, on stdout')
    .option('-q, --quiet', 'no status on stderr')
    .option('--id <run>', 'id of the run; if there is such a run, it is gone on with', runId)
    .option('--on-disconnect <policy>', 'what becomes of the run while nobody is connected: cancel, detach, or grace:30s')
    .option('--no-reconnect', 'end when the connection is lost')
    .option('--result <file>', 'write the result to this file as JSON; "-" is stderr')
    .option('--url <url>', whereTexts.url)
    .option('--config <file>', whereTexts.config)
    .addHelpText('after', after)
    .action(async (file: string | undefined, flags: RunFlags) => exit(await run(file ?? flags.filepath, flags, { house, ends })));
}

/** As long as a lost connection is made again. */
const graceToReturn = 'grace:1m';

interface RunParts {
  readonly house: House;
  readonly ends: Ends;
}

async function run(named: string | undefined, flags: RunFlags, { house, ends }: RunParts): Promise<number> {
  const quiet = flags.quiet === true;
  const pipeline = await readPipelineFile(named, flags.var, { house, ends, quiet });
  if (pipeline === undefined) return exitCodes.failed;
  const folder = folderToSend(flags, pipeline);
  const problem = folder === undefined ? undefined : await folderProblem(folder);
  if (problem !== undefined) {
    complain([problem], ends);
    return exitCodes.failed;
  }
  return atGateway(flags, { house, ends }, (url) => runAt(url, { flags, pipeline, folder, ends }));
}

function folderToSend({ workspace, gatewayWorkspace }: RunFlags, { read }: PipelineFile): string | undefined {
  if (gatewayWorkspace !== undefined || workspace === 'none') return undefined;
  return workspace ?? (read.plan.wantsFiles ? '.' : undefined);
}

interface Going {
  readonly flags: RunFlags;
  readonly pipeline: PipelineFile;
  readonly folder: string | undefined;
  readonly ends: Ends;
}

function runAt(url: string, { flags, pipeline, folder, ends }: Going): Promise<number> {
  const { id, result, detach = false } = flags;
  const onDisconnect = flags.onDisconnect ?? (detach ? 'detach' : flags.reconnect ? graceToReturn : undefined);
  const view = viewFor(flags, ends);
  const say = (line: string): void => {
    if (flags.quiet !== true) (view.say ?? ((text: string) => ends.stderr.write(`${text}\n`)))(printable(line));
  };
  let accepted = false;
  return runAtTerminal({
    url, view, quiet: flags.quiet === true, reconnect: flags.reconnect, onInterrupt: 'cancel', output: detach ? 'nowhere' : 'stdout',
    ...(result !== undefined && { resultFile: result }),
    open: (link) => openCall({
      ...link, call: 'pipeline.run', params: [pipeline.text, JSON.stringify(options(flags, pipeline, folder))],
      ...(id !== undefined && { run: id }), ...(onDisconnect !== undefined && { onDisconnect }),
    }),
    input: async (call) => {
      if (folder === undefined) call.end();
      else await send(folder, call, { view, say });
      if (detach) call.detach();
    },
    ...(detach && {
      onRun: (open: OpenCall) => {
        accepted = true;
        ends.stdout.write(`${open.id}\n`);
      },
      exitCode: (ended) => (accepted && ended.status === 'detached' ? exitCodes.succeeded : exitCodeOf(ended)),
    }),
  }, ends);
}

function options({ var: variables, gatewayWorkspace }: RunFlags, { file }: PipelineFile, folder: string | undefined): object {
  return { file: nameOf(file), variables, workspace: gatewayWorkspace ?? (folder === undefined ? 'none' : 'input') };
}

/** What the gateway calls the file in its own complaints: it need not know where it lies here. */
function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).slice(0, 200);
}

/** The live view needs a terminal that shows both streams: what is written to one stands on the other. */
function viewFor({ json, plain, quiet, detach }: RunFlags, { stdout, stderr, env }: Ends): View {
  if (json === true) return jsonView();
  if (detach === true || plain === true || quiet === true || !stdout.isTTY || !stderr.isTTY || env['TERM'] === 'dumb') return prefixedView();
  return new Board(stderr as Screen, painter(hasColour(stderr, env)));
}

/** The folder, with a word now and then on how much of it is sent. */
async function send(folder: string, call: OpenCall, { view, say }: { readonly view: View; say(line: string): void }): Promise<void> {
  const progress = view.progress?.bind(view) ?? (() => {});
  const sent = await sendFolder(folder, call, {
    onProgress: (tally) => progress(`sending files: ${tally.files} (${size(tally.bytes)})`),
    onTrouble: (path, what) => say(`warning: ${path}: ${what}`),
  });
  progress(undefined);
  if (sent !== undefined) say(`sent ${sent.files} file${sent.files === 1 ? '' : 's'} (${size(sent.bytes)})`);
}
