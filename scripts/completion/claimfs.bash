# bash completion for claimfs: every word is asked of claimfs itself.
# Source it, or put it where bash-completion looks:
#   claimfs completion bash > /usr/share/bash-completion/completions/claimfs

# shellcheck shell=bash disable=SC2207  # candidates are lines without blanks

_claimfs() {
  local words=() word glued='' current prefix candidates IFS=$'\n'
  # readline takes words apart at = and :, claimfs does not.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [ ${#words[@]} -gt 0 ] && { [ -n "$glued" ] || [[ $word == [=:]* ]]; }; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
    if [[ $word == *[=:] ]]; then glued=1; else glued=''; fi
  done
  current=${words[-1]}
  candidates=($("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null))
  # Only what follows the last = or : is replaced.
  prefix=${current%"${current##*[=:]}"}
  COMPREPLY=()
  case ${candidates[0]-} in
    :files | :directories)
      compopt -o filenames 2>/dev/null
      if [ "${candidates[0]}" = :files ]; then
        COMPREPLY=($(compgen -f -- "${current#"$prefix"}"))
      else
        COMPREPLY=($(compgen -d -- "${current#"$prefix"}"))
      fi
      ;;
    *) COMPREPLY=("${candidates[@]#"$prefix"}") ;;
  esac
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then compopt -o nospace 2>/dev/null; fi
  return 0
}

complete -F _claimfs claimfs
