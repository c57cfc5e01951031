/** `entrepot completion`: what a shell needs to complete commands and options by TAB. */
import { type CliOption, type Command, EXIT, parseCommandLine, UsageError } from "../command.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

/** Makes the command that completes these commands, and itself. */
export function createCompletionCommand(commands: readonly Command[]): Command {
  const self: Command = {
    name: "completion",
    summary: "print what a shell needs to complete commands by TAB",
    operands: SHELLS.join("|"),
    operandChoices: SHELLS,
    options: {},
    details: `For this shell:      source <(entrepot completion bash)
For every new shell: entrepot completion bash > /etc/bash_completion.d/entrepot
                     entrepot completion zsh > "\${fpath[1]}/_entrepot"
                     entrepot completion fish > ~/.config/fish/completions/entrepot.fish`,
    run(args, { stdout }) {
      const { positionals: [name] } = parseCommandLine(args, {}, { least: 1, most: 1 });
      const shell = SHELLS.find((candidate) => candidate === name);
      if (shell === undefined) {
        throw new UsageError(`there is no shell ${JSON.stringify(name)}: ${SHELLS.join(", ")}`);
      }
      stdout(SCRIPTS[shell]([...commands, self]));
      return EXIT.ok;
    },
  };
  return self;
}

type Script = (commands: readonly Command[]) => string;

const SCRIPTS: Readonly<Record<typeof SHELLS[number], Script>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** The words that may follow a command: its options, and the operands that can be counted. */
function wordsOf({ options, operandChoices = [] }: Command): string[] {
  return [...operandChoices, ...Object.keys(options).map((name) => `--${name}`), "--help"];
}

function bashScript(commands: readonly Command[]): string {
  const cases = commands.map((command) =>
    `    ${command.name}) words="${wordsOf(command).join(" ")}" ;;`
  );
  return `# bash completion for entrepot
_entrepot() {
  local words current="\${COMP_WORDS[COMP_CWORD]}"
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) words="" ;;
  esac
  if ((COMP_CWORD == 1)); then words="${commands.map(({ name }) => name).join(" ")}"; fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _entrepot entrepot
`;
}

function zshScript(commands: readonly Command[]): string {
  const names = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`);
  const cases = commands.map((command) => {
    const options = Object.entries(command.options).map(([name, option]) =>
      quote(`--${name}[${zshText(option.help)}]${zshValue(name, option)}`)
    );
    const operands = command.operandChoices === undefined
      ? ["'*:argument:_files'"]
      : [quote(`1:argument:(${command.operandChoices.join(" ")})`)];
    return `    ${command.name}) _arguments ${
      [...options, quote("--help[print help]"), ...operands].join(" ")
    } ;;`;
  });
  return `#compdef entrepot
_entrepot() {
  local -a commands=(
${names.join("\n")}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command="\${words[2]}"
  shift words
  ((CURRENT--))
  case "$command" in
${cases.join("\n")}
  esac
}
if [[ "\${funcstack[1]}" == _entrepot ]]; then _entrepot "$@"; else compdef _entrepot entrepot; fi
`;
}

function zshValue(name: string, { type, choices }: CliOption): string {
  if (type === "boolean") return "";
  return choices === undefined ? `:${name}:_files` : `:${name}:(${choices.join(" ")})`;
}

/** Brackets and colons part the fields of a zsh specification. */
function zshText(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, "\\$&");
}

function fishScript(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => {
    const seen = `-n ${quote(`__fish_seen_subcommand_from ${command.name}`)}`;
    const options = Object.entries(command.options).map(([name, option]) => {
      const value = option.type === "boolean"
        ? ""
        : option.choices === undefined
        ? " -r"
        : ` -x -a ${quote(option.choices.join(" "))}`;
      const short = option.short === undefined ? "" : ` -s ${option.short}`;
      return `complete -c entrepot ${seen}${short} -l ${name}${value} -d ${quote(option.help)}`;
    });
    const operands = command.operandChoices === undefined
      ? []
      : [`complete -c entrepot ${seen} -f -a ${quote(command.operandChoices.join(" "))}`];
    const itself = `complete -c entrepot -n __fish_use_subcommand -f -a ${command.name} -d ${
      quote(command.summary)
    }`;
    return [itself, ...operands, ...options];
  });
  return `# fish completion for entrepot\n${lines.join("\n")}\n`;
}

/** As one word of a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
