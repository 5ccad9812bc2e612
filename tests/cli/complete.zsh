# Completes each line of standard input as zsh would, by the completions in $1; prints the matches, one a
# line, and a line with a dot behind those of each. Completion is only there in a terminal, so an interactive
# zsh has one, in which what is added as a match is printed instead.
zmodload zsh/zpty
setup="PS1= PS2= RPS1= KEYTIMEOUT=1; stty -echo; fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -D -u
compadd() {
    local -a hits
    local hit
    if [[ \"\$*\" != *-[ADO]* ]]; then
        builtin compadd -A hits \"\$@\"
        for hit in \$hits; do print -r -- \"<match>\$hit\"; done
    fi
    builtin compadd \"\$@\"
}
probe() { _main_complete; print -r -- '<end>'; compstate[insert]= compstate[list]= }
zle -C probe complete-word probe
bindkey '^X' probe; bindkey '^U' kill-whole-line
print -r -- '<''ready>'"
zpty inner zsh -f -i
zpty -w inner "$setup"
while zpty -r inner text; do [[ $text == *'<ready>'* ]] && break; done

while IFS= read -r line; do
    zpty -w -n inner $'\C-u'"$line"$'\C-x'
    while zpty -r inner text; do
        text=${${text%$'\n'}%$'\r'}
        [[ $text == *'<match>'* ]] && print -r -- ${text##*'<match>'}
        [[ $text == *'<end>'* ]] && break
    done
    print .
done
zpty -d inner
