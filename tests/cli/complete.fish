# Completes each line of standard input as fish would, by the completions in $argv[1]; prints the matches,
# one a line, and a line with a dot behind those of each.
source $argv[1]/inoctl.fish
while read -l line
    complete -C $line | string replace -r '\t.*' ''
    echo .
end
