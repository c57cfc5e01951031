/** `entrepot check`. */
import { type Command, EXIT, parseCommandLine, readConfig } from "../command.ts";
import { describeConfig } from "../describe_config.ts";

/** Prints the configuration in effect. */
export const checkCommand: Command = {
  name: "check",
  summary: "print the configuration in effect, or everything that is wrong with it",
  options: {},
  details: "Exit codes: 0, or 78 with the faults.",
  run(args, dependencies) {
    parseCommandLine(args, {}, { least: 0, most: 0 });
    const { config, warnings } = readConfig(dependencies);
    dependencies.stdout(describeConfig(config));
    for (const warning of warnings) dependencies.stderr(`warning: ${warning}\n`);
    return EXIT.ok;
  },
};
