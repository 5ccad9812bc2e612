# Completion of inoctl for bash: subcommands, options, and the pools and holders that the daemon at the
# socket of the line knows. Needs no helper from elsewhere.
# shellcheck shell=bash

# What `inoctl SUBCOMMAND` prints, asked as the line would; nothing where no daemon answers at once.
_inoctl_ask() {
    local ask=(timeout 1 "$_inoctl_program")
    if [[ -n $_inoctl_socket ]]; then ask+=(--socket "$_inoctl_socket"); fi
    "${ask[@]}" "$1" </dev/null 2>/dev/null
}

_inoctl_pools() { _inoctl_ask pools | awk 'NR > 1 { print $1 }'; }

_inoctl_holders() { _inoctl_ask holders | awk 'NR > 1 { print $1 }'; }

# Of the user's own holders; a name with a backslash stands for bytes that cannot be typed.
_inoctl_names() {
    _inoctl_ask holders | awk -v uid="$EUID" 'NR > 1 && NF > 7 && $3 == uid && !/\\/ {
        for (i = 0; i < 7; ++i) sub(/^[^ ]+ +/, ""); print
    }'
}

# As the shell would read a word that is quoted as a whole or begins with ~.
_inoctl_plain() {
    local word=$1
    case $word in
        \"*\" | \'*\') word=${word:1:${#word}-2} ;;
        \~/*) word=$HOME/${word#\~/} ;;
    esac
    printf '%s' "$word"
}

# Offers the lines that begin as the word does, quoted where the shell would read them otherwise.
_inoctl_offer() {
    local line
    while IFS= read -r line; do
        if [[ -n $line && $line == "$_inoctl_word"* ]]; then
            COMPREPLY+=("$(printf '%q' "$line")")
        fi
    done
}

_inoctl_files() {
    local line
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$@" -- "$_inoctl_word")
}

# The options of a subcommand that take a value, and those that do not.
_inoctl_options_of() {
    case $1 in
        alloc) echo --count --align --at --bind --name --key --pid --token ;;
        release) echo --name --key --others --all --holder ;;
        lookup) echo --levels ;;
        list | watch) echo --from --limit ;;
        wait) echo --timeout ;;
        renew) echo --name --key ;;
        run) echo --pool --count --align ;;
        advance) echo --above ;;
        adopt) echo --skip-ahead --from --below-witness --witness-dir ;;
        backup) echo --state-dir --force ;;
        import) echo --skip-ahead ;;
    esac
}

# Does the option take the next word as its value?
_inoctl_takes_value() {
    case $1 in
        --others | --all | --levels | --below-witness | --force | --help | --version) return 1 ;;
        --*=*) return 1 ;;
        --?*) return 0 ;;
        *) return 1 ;;
    esac
}

_inoctl_value() {
    case $1,$2 in
        --socket,* | --from,adopt) _inoctl_files -f ;;
        --state-dir,* | --witness-dir,*) _inoctl_files -d ;;
        --json,*) _inoctl_offer < <(printf '%s\n' off pretty short) ;;
        --bind,*)
            _inoctl_offer < <(printf '%s\n' persistent connection process ttl=)
            if [[ ${COMPREPLY[*]} == ttl= ]]; then compopt -o nospace 2>/dev/null; fi
            ;;
        --pool,*) _inoctl_offer < <(_inoctl_pools) ;;
        --holder,*) _inoctl_offer < <(_inoctl_holders) ;;
        --name,*) _inoctl_offer < <(_inoctl_names) ;;
        --from,watch) _inoctl_offer < <(printf '%s\n' now) ;;
        --skip-ahead,adopt) _inoctl_offer < <(printf '%s\n' auto) ;;
        --pid,*) _inoctl_offer < <(cd /proc && printf '%s\n' [0-9]*) ;;
    esac
}

_inoctl_subcommands='alloc token release lookup next list wait watch renew run pools stats ping holders
    reserve unreserve advance adopt backup check dump export import'

_inoctl() {
    local _inoctl_program _inoctl_socket='' _inoctl_word=${COMP_WORDS[COMP_CWORD]}
    local subcommand='' option='' position=0 i word
    _inoctl_program=$(_inoctl_plain "${COMP_WORDS[0]}")
    COMPREPLY=()

    # What stands in front of the word. An = between an option and its value is a word of its own here.
    for ((i = 1; i < COMP_CWORD; ++i)); do
        word=${COMP_WORDS[i]}
        if [[ $word == = && -n $option ]]; then continue; fi
        if [[ -n $option ]]; then
            if [[ $option == --socket ]]; then _inoctl_socket=$(_inoctl_plain "$word"); fi
            # ttl=TIME
            if [[ $option == --bind && ${COMP_WORDS[i + 1]-} == = ]]; then ((i += 2)); fi
            option=''
        elif [[ $word == -- && $subcommand == run ]]; then
            if declare -F _command_offset >/dev/null; then
                _command_offset $((i + 1))
            elif ((COMP_CWORD == i + 1)); then
                _inoctl_files -c
            else
                _inoctl_files -f
            fi
            return
        elif _inoctl_takes_value "$word"; then
            option=$word
        elif [[ $word == --socket=* ]]; then # where the user's COMP_WORDBREAKS has no =
            _inoctl_socket=$(_inoctl_plain "${word#*=}")
        elif [[ $word != -* && -z $subcommand ]]; then
            subcommand=$word
        elif [[ $word != -* ]]; then
            ((++position))
        fi
    done
    if [[ $_inoctl_word == = && -n $option ]]; then _inoctl_word=''; fi

    if [[ -n $option ]]; then
        _inoctl_value "$option" "$subcommand"
    elif [[ $_inoctl_word == -* ]]; then
        local options
        options=$(_inoctl_options_of "$subcommand")
        if [[ -z $subcommand ]]; then options=--version; fi
        # shellcheck disable=SC2086  # words
        _inoctl_offer < <(printf '%s\n' $options --help --socket --json)
    elif [[ -z $subcommand ]]; then
        # shellcheck disable=SC2086  # words
        _inoctl_offer < <(printf '%s\n' $_inoctl_subcommands)
    elif ((position == 0)); then
        case $subcommand in
            alloc | release | lookup | next | list | wait | watch | stats | reserve | unreserve | advance)
                _inoctl_offer < <(_inoctl_pools)
                ;;
            import | adopt) _inoctl_files -d ;;
            backup | check | dump | export) _inoctl_files -f ;;
        esac
    fi
}

complete -F _inoctl inoctl
