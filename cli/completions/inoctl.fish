# Completion of inoctl for fish: subcommands, options, and the pools and holders that the daemon at the
# socket of the line knows.

# What `inoctl SUBCOMMAND` prints, asked as the line would; nothing where no daemon answers at once.
function __inoctl_ask
    set -l words (commandline -opc)
    set -l ask $words[1]
    set -l is_socket 0
    for word in $words[2..-1]
        if test $is_socket = 1
            set ask $ask --socket (string replace -r '^~/' "$HOME/" -- $word)
            set is_socket 0
        else if test "$word" = --
            break
        else if test "$word" = --socket
            set is_socket 1
        else if string match -q -- '--socket=*' $word
            set ask $ask $word
        end
    end
    timeout 1 $ask $argv </dev/null 2>/dev/null
end

function __inoctl_pools
    __inoctl_ask pools | awk 'NR > 1 { print $1 }'
end

function __inoctl_holders
    __inoctl_ask holders | awk 'NR > 1 { print $1 }'
end

# Of the user's own holders; a name with a backslash stands for bytes that cannot be typed.
function __inoctl_names
    __inoctl_ask holders | awk -v uid=(id -u) 'NR > 1 && NF > 7 && $3 == uid && !/\\\\/ {
        for (i = 0; i < 7; ++i) sub(/^[^ ]+ +/, ""); print
    }'
end

# The words in front of the cursor that are neither options nor their values, inoctl itself left out.
function __inoctl_positions
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --others --all --levels --below-witness --force --help --version -h '--*=*'
            case '--?*'
                set skip 1
            case '*'
                echo $word
        end
    end
end

function __inoctl_needs_subcommand
    test (count (__inoctl_positions)) = 0
end

# Is it one of these subcommands?
function __inoctl_is
    set -l positions (__inoctl_positions)
    test (count $positions) -gt 0; and contains -- $positions[1] $argv
end

# Likewise, with nothing behind it yet?
function __inoctl_begins
    __inoctl_is $argv; and test (count (__inoctl_positions)) = 1
end

complete -c inoctl -f
complete -c inoctl -s h -l help -d 'Print what there is, and end'
complete -c inoctl -n __inoctl_needs_subcommand -l version -d 'Print the version, and end'
complete -c inoctl -l socket -r -F -d 'The socket of the daemon'
complete -c inoctl -l json -x -a 'off pretty short' -d 'Print JSON'

complete -c inoctl -n __inoctl_needs_subcommand -a alloc -d 'Lease numbers'
complete -c inoctl -n __inoctl_needs_subcommand -a token -d 'A fresh token for alloc'
complete -c inoctl -n __inoctl_needs_subcommand -a release -d 'Give numbers back'
complete -c inoctl -n __inoctl_needs_subcommand -a lookup -d 'Who holds this number'
complete -c inoctl -n __inoctl_needs_subcommand -a next -d 'The first lease at or after an ID'
complete -c inoctl -n __inoctl_needs_subcommand -a list -d 'All leases of a pool'
complete -c inoctl -n __inoctl_needs_subcommand -a wait -d 'Until a number is not live any more'
complete -c inoctl -n __inoctl_needs_subcommand -a watch -d 'What happens in a pool'
complete -c inoctl -n __inoctl_needs_subcommand -a renew -d 'A holder with a time limit lasts its time again'
complete -c inoctl -n __inoctl_needs_subcommand -a run -d 'Lease numbers for as long as a command runs'
complete -c inoctl -n __inoctl_needs_subcommand -a pools -d 'The pools that you may use'
complete -c inoctl -n __inoctl_needs_subcommand -a stats -d 'Numbers about a pool, or about the daemon'
complete -c inoctl -n __inoctl_needs_subcommand -a ping -d 'Does the daemon answer?'
complete -c inoctl -n __inoctl_needs_subcommand -a holders -d 'Who holds numbers, and until when'
complete -c inoctl -n __inoctl_needs_subcommand -a reserve -d 'Keep numbers out of circulation'
complete -c inoctl -n __inoctl_needs_subcommand -a unreserve -d 'Give them back to it'
complete -c inoctl -n __inoctl_needs_subcommand -a advance -d 'A pool goes on above a number'
complete -c inoctl -n __inoctl_needs_subcommand -a adopt -d 'Go on with a backup, or an old copy'
complete -c inoctl -n __inoctl_needs_subcommand -a backup -d 'Copy the state into one file'
complete -c inoctl -n __inoctl_needs_subcommand -a check -d 'Is the store in a state directory sound?'
complete -c inoctl -n __inoctl_needs_subcommand -a dump -d 'What the journal in a state directory says'
complete -c inoctl -n __inoctl_needs_subcommand -a export -d 'The state in a state directory, as lines of JSON'
complete -c inoctl -n __inoctl_needs_subcommand -a import -d 'Make a new store of what export printed'

set -l with_pool alloc release lookup next list wait watch stats reserve unreserve advance
complete -c inoctl -n "__inoctl_begins $with_pool" -a '(__inoctl_pools)' -d Pool
complete -c inoctl -n '__inoctl_begins adopt backup check dump export import' -F
complete -c inoctl -n '__inoctl_is run; and contains -- -- (commandline -opc)' -F -a '(__fish_complete_command)'

complete -c inoctl -n '__inoctl_is alloc run' -l count -x -d 'How many in a row'
complete -c inoctl -n '__inoctl_is alloc run' -l align -x -d 'The first is a multiple of this'
complete -c inoctl -n '__inoctl_is alloc' -l at -x -d 'Just this ID or range'
complete -c inoctl -n '__inoctl_is alloc' -l bind -x -a 'persistent connection process ttl=' -d 'How long'
complete -c inoctl -n '__inoctl_is alloc' -l pid -x -a '(__fish_complete_pids)' -d 'With --bind process: that one'
complete -c inoctl -n '__inoctl_is alloc' -l token -x -d 'Once with this token'
complete -c inoctl -n '__inoctl_is alloc release renew' -l name -x -a '(__inoctl_names)' -d 'A holder of this name'
complete -c inoctl -n '__inoctl_is alloc release renew' -l key -x -d 'The holder with this key'
complete -c inoctl -n '__inoctl_is release' -l others -d 'Whoever has it'
complete -c inoctl -n '__inoctl_is release' -l all -d 'All that a holder has'
complete -c inoctl -n '__inoctl_is release' -l holder -x -a '(__inoctl_holders)' -d 'With --all: the holder of this number'
complete -c inoctl -n '__inoctl_is lookup' -l levels -d 'At all levels'
complete -c inoctl -n '__inoctl_is list' -l from -x -d 'The first ID'
complete -c inoctl -n '__inoctl_is watch' -l from -x -a now -d 'What comes behind this LSN'
complete -c inoctl -n '__inoctl_is list watch' -l limit -x -d 'How many at most'
complete -c inoctl -n '__inoctl_is wait' -l timeout -x -d 'How long at most'
complete -c inoctl -n '__inoctl_is run' -l pool -x -a '(__inoctl_pools)' -d 'The pool'
complete -c inoctl -n '__inoctl_is advance' -l above -x -d 'The last number that is passed over'
complete -c inoctl -n '__inoctl_is adopt' -l skip-ahead -x -a auto -d 'How many are passed over'
complete -c inoctl -n '__inoctl_is import' -l skip-ahead -x -d 'How many are passed over'
complete -c inoctl -n '__inoctl_is adopt' -l from -r -F -d 'A backup'
complete -c inoctl -n '__inoctl_is adopt' -l below-witness -d 'It may be too few'
complete -c inoctl -n '__inoctl_is adopt' -l witness-dir -x -a '(__fish_complete_directories)' -d 'Where the witness is'
complete -c inoctl -n '__inoctl_is backup' -l state-dir -x -a '(__fish_complete_directories)' -d 'The state directory'
complete -c inoctl -n '__inoctl_is backup' -l force -d 'Replace the file'
