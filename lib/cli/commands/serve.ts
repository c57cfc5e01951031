/** `entrepot serve`, which is also what is done without a command. */
import { type Command, parseCommandLine, readConfig } from "../command.ts";

/** Serves. */
export const serveCommand: Command = {
  name: "serve",
  summary: "serve until SIGTERM or SIGINT (default)",
  options: {},
  details:
    "SIGHUP has the configuration read again, as a change of the file that CONFIG_FILE names\n" +
    "has. Exit codes: 0 when it was told to end, 1 where it cannot listen, 78 for a bad\n" +
    "configuration.",
  run(args, dependencies) {
    parseCommandLine(args, {}, { least: 0, most: 0 });
    const load = () => readConfig(dependencies);
    return dependencies.serve(load(), { load, file: dependencies.env["CONFIG_FILE"] || null });
  },
};
