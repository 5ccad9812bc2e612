# Completes each line of standard input as bash would, by the completions in $1; prints the matches, one a
# line, and a line with a dot behind those of each.
# shellcheck shell=bash
# shellcheck source=cli/completions/inoctl.bash
. "$1/inoctl.bash"

while IFS= read -r line; do
    # As readline splits it: at spaces, and around =.
    read -ra COMP_WORDS <<<"${line//=/ = }"
    if [[ $line == *[\ =] ]]; then COMP_WORDS+=(''); fi
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _inoctl inoctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    for match in "${COMPREPLY[@]}"; do printf '%s\n' "${match%" "}"; done
    echo .
done
