{% autoescape off %}#!/bin/sh
# Fetches the files of one release into this folder, resumes what was cut, and verifies every one of them.
# Start it again as often as you like. `sh THIS_FILE --help` says what it can do.
# This file holds your personal link: do not pass it on.

title={{ title }}
stem={{ stem }}
address={{ address }}
contact={{ contact }}

# SHA-256, size in bytes, name.
all_files() {
	cat <<'FILES'
{% for file in listing.files %}{{ file.sha256 }} {{ file.size }} {{ file.name }}
{% endfor %}FILES
}

usage() {
	cat <<USAGE
$title: fetches and verifies its files.

sh $0 [options]
  --only PATTERN  only files whose name has PATTERN in it or matches it, such as
                  sample or '*_val*'; may be given several times
  -j N            so many files at the same time, 1 to 16 (now $jobs)
  --dir DIR       put the files there (made when it is missing) instead of here
  --list          say which files there are, and stop
  --check         verify what is here, byte by byte, and fetch nothing
  --tries N       give a file up after N attempts without a new byte (now $tries)
  --pause N       seconds before the second attempt (now $pause); each further
                  pause is twice as long, up to a minute
  --help          this text

A file that is being fetched is called NAME.part; NAME is there when it has been
verified. What was verified is remembered in .$stem.verified.

It ends with
  0  every file is here and verified      4  the portal refuses; it says why
  1  a file is missing or damaged         5  another run is at work in this folder
  2  it was called wrongly                6  a program is missing: curl, awk,
  3  the disk is full or not writable        sha256sum or shasum
  130, 143  it was interrupted
USAGE
}

say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }

bad_call() {
	complain "$1 (--help says what can be given)"
	exit 2
}

read_options() {
	only='' jobs=3 dir='' mode=fetch tries=20 pause=2
	while [ $# -gt 0 ]; do
		case $1 in
		--only | -j | --dir | --tries | --pause)
			[ $# -ge 2 ] || bad_call "$1 needs a value"
			take_option "$1" "$2"
			shift
			;;
		--only=* | --dir=* | --tries=* | --pause=*) take_option "${1%%=*}" "${1#*=}" ;;
		-j?*) take_option -j "${1#-j}" ;;
		--list) mode=list ;;
		--check) mode=check ;;
		-h | --help) mode=help ;;
		*) bad_call "There is no option $1" ;;
		esac
		shift
	done
}

take_option() {
	[ -n "$2" ] || bad_call "$1 needs a value"
	case $1 in
	--only) only="$only$2
" ;;
	--dir) dir=$2 ;;
	-j)
		a_number "$1" "$2" 1 16
		jobs=$2
		;;
	--tries)
		a_number "$1" "$2" 1 100000
		tries=$2
		;;
	--pause)
		a_number "$1" "$2" 0 3600
		pause=$2
		;;
	esac
}

a_number() {
	case $2 in
	*[!0-9]* | ??????*) bad_call "$1 takes a whole number from $3 to $4" ;;
	esac
	if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		bad_call "$1 takes a whole number from $3 to $4"
	fi
}

# Whether a name was asked for. In a subshell, so that its variables are its own.
wanted() (
	[ -n "$only" ] || exit 0
	while IFS= read -r pattern; do
		[ -n "$pattern" ] || continue
		# shellcheck disable=SC2254 # a pattern is meant as one
		case $1 in
		$pattern | *"$pattern"*) exit 0 ;;
		esac
	done <<PATTERNS
$only
PATTERNS
	exit 1
)

choose_files() {
	all_files | while read -r line; do
		if wanted "${line##* }"; then say "$line"; fi
	done
}

# Bytes for people, in decimal units.
in_words() {
	awk -v n="$1" 'BEGIN {
		split("TB GB MB kB", unit, " ")
		for (i = 1; i <= 4; i++) if (n >= 1000 ^ (5 - i)) { printf "%.2f %s\n", n / 1000 ^ (5 - i), unit[i]; exit }
		printf "%d B\n", n
	}'
}

# Not wc -c, which in some systems reads the whole file; not stat, which differs.
size_of() {
	if [ -f "$1" ]; then
		# shellcheck disable=SC2012 # these names have no surprises, and only the size is taken
		ls -dln "$1" | awk '{ print $5; exit }'
	else
		echo 0
	fi
}

files_in_words() { if [ "$1" = 1 ]; then echo '1 file'; else echo "$1 files"; fi; }

need_programs() {
	for program in awk df find grep ls mktemp; do
		command -v "$program" >/dev/null 2>&1 || no_program "$program"
	done
	[ "$mode" = check ] || command -v curl >/dev/null 2>&1 || no_program curl
	if command -v sha256sum >/dev/null 2>&1; then
		hash_with=sha256sum
	elif command -v shasum >/dev/null 2>&1; then
		hash_with=shasum
	else
		no_program 'sha256sum (or shasum)'
	fi
}

no_program() {
	complain "The program $1 is needed and was not found. Install it and start this again."
	exit 6
}

# Whether a file has the right SHA-256. Beside the shell, so that Ctrl-C need not wait for the end of a long file.
is_right() {
	if [ "$hash_with" = sha256sum ]; then
		sha256sum <"$1" >"$tmp/$number.sum" &
	else
		shasum -a 256 <"$1" >"$tmp/$number.sum" &
	fi
	child=$!
	wait "$child"
	child=''
	read -r found _ <"$tmp/$number.sum"
	[ "$found" = "$sum" ]
}

# What was verified: a file of the same name in $state with hash and size, and with the same time as the data.
remember() {
	mkdir -p "$state" 2>/dev/null && echo "$1 $2" >"$state/$3" 2>/dev/null && touch -r "$3" "$state/$3"
}

remembered() {
	[ -f "$3" ] && [ -f "$state/$3" ] && [ "$(size_of "$3")" = "$2" ] || return 1
	[ "$(cat "$state/$3")" = "$1 $2" ] || return 1
	[ -z "$(find "$3" -newer "$state/$3")" ] && [ -z "$(find "$state/$3" -newer "$3")" ]
}

# Also when the process is another user's, whom we may not signal.
is_alive() {
	kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ] || ps -p "$1" >/dev/null 2>&1
}

# One run a folder. The lock names who holds it; one that was left by a dead run of this machine is taken over.
take_lock() {
	if mkdir "$lock" 2>/dev/null; then
		echo "$$ $(uname -n)" >"$lock/owner"
		return
	fi
	if [ ! -d "$lock" ]; then
		complain "This folder cannot be written: $(pwd)"
		exit 3
	fi
	owner=$(cat "$lock/owner" 2>/dev/null) || owner=''
	if [ "${owner#* }" = "$(uname -n)" ] && ! is_alive "${owner%% *}"; then
		# What it had started ends by itself within two seconds. Of several that wait here, one gets the folder.
		sleep 3
		if mv "$lock" "$lock.$$" 2>/dev/null; then
			rm -rf "$lock.$$"
			take_lock
			return
		fi
	fi
	complain "Another run is at work in this folder (process $owner). If there is none, remove $(pwd)/$lock"
	exit 5
}

need_space() {
	needed=0
	while read -r sum size name; do
		[ "$(size_of "$name")" = "$size" ] && continue
		there=$(size_of "$name.part")
		[ "$there" -gt 0 ] || there=$(size_of "$name")
		[ "$there" -gt "$size" ] && there=0
		needed=$((needed + size - there))
	done <"$tmp/files"
	free=$(df -Pk . 2>/dev/null | awk 'NR > 1 && match($0, /[0-9]+ +[0-9]+ +-?[0-9]+ +[0-9-]+%/) {
		split(substr($0, RSTART, RLENGTH), column, / +/); printf "%.0f\n", column[3] * 1024; exit }')
	case $free in
	'' | *[!0-9]*) return ;;
	esac
	if [ "$needed" -gt "$free" ]; then
		complain "There is not enough space in $(pwd): $(in_words "$needed") are needed, $(in_words "$free") are free."
		complain "Make room, choose another folder with --dir, or fewer files with --only."
		exit 3
	fi
}

# The address goes to curl in a file that only we may read: others can see command lines.
ask() {
	cat >"$tmp/$1.conf" <<CONF
url = "$address$2"
CONF
}

# After an HTTP error: does the portal refuse, and why? Whatever it answers with a 4xx is final, but 408 and a 429 that
# is over within ten minutes; longer, it is the day's amount that has been reached.
ask_status() {
	ask "$number.status" status
	answer=$(curl -sS -L --connect-timeout 30 --max-time 60 -o "$tmp/$number.said" -D "$tmp/$number.head" \
		-w '%{http_code}' -K "$tmp/$number.status.conf" 2>/dev/null)
	case $answer in
	429)
		rest_asked=$(awk 'tolower($1) == "retry-after:" { n = $2 } END { printf "%d\n", n }' "$tmp/$number.head")
		[ "$rest_asked" -le 600 ] || answer="429: not before $rest_asked seconds from now"
		;;
	esac
	case $answer in
	408 | 429) ;;
	4*)
		if [ ! -e "$tmp/refused" ]; then
			{
				grep -v '^ *<' "$tmp/$number.said" 2>/dev/null | awk 'NR <= 5' | tr -d '\000-\010\013-\037\177'
				echo "(The portal answered $answer.)"
			} >"$tmp/refused"
		fi
		;;
	esac
}

stopped() { [ -e "$tmp/refused" ] || [ -e "$tmp/full" ]; }

# One request, through the portal, for the bytes that are not here yet. Leaves curl's exit code in $code.
one_pass() {
	ask "$number" "$name"
	curl -sS -f -L -C - --connect-timeout 30 --speed-limit 1 --speed-time 60 \
		-o "$name.part" -K "$tmp/$number.conf" 2>"$tmp/$number.error" &
	child=$!
	wait "$child"
	code=$?
	child=''
	why=$(awk 'NF { line = $0 } END { print line }' "$tmp/$number.error")
}

# Passes until NAME.part has all its bytes; false when that is given up, with the reason in $why.
all_passes() {
	idle=0 deaf=0 rest=$pause
	while :; do
		before=$(size_of "$name.part")
		if [ "$before" -gt "$size" ]; then
			put_away
			before=0
		fi
		[ "$before" -lt "$size" ] || return 0
		one_pass
		after=$(size_of "$name.part")
		[ "$after" != "$size" ] || return 0
		case $code in
		0)
			# The answer came whole and is something else: a page, say.
			why="the answer ended at byte $after of $size"
			put_away
			after=0
			;;
		33 | 36)
			# Not from the byte that we asked for. A page in between may be the reason, so what is here is kept for a
			# while; if it goes on, somebody between us and the storage does not know ranges, and we begin again.
			deaf=$((deaf + 1))
			if [ "$deaf" -ge 5 ]; then
				put_away
				deaf=0
			fi
			;;
		22) ask_status ;;
		23 | 153)
			echo "$name: $why" >"$tmp/full"
			;;
		esac
		if stopped; then return 1; fi
		if [ "$after" -gt "$before" ]; then
			idle=0 rest=$pause
		else
			idle=$((idle + 1))
			[ "$idle" -lt "$tries" ] || return 1
		fi
		say "$name: interrupted at $(in_words "$after") of $(in_words "$size") (${why:-curl ended with $code}), again in $rest s"
		nap "$rest"
		rest=$((rest * 2))
		[ "$rest" -le 60 ] || rest=60
	done
}

# A pause that a signal ends at once.
nap() {
	sleep "$1" >/dev/null 2>&1 &
	child=$!
	wait "$child"
	child=''
}

result() { echo "$*" >"$tmp/$number.result"; }

# NAME is here, whoever brought it: verified, or put aside (not deleted: it may be another release's), or begun.
look_at_present() {
	[ -f "$name" ] || return 1
	present=$(size_of "$name")
	if [ "$present" = "$size" ]; then
		if is_right "$name"; then
			remember "$sum" "$size" "$name"
			return 0
		fi
		complain "$name: here, but its SHA-256 is not the right one; kept as $name.old"
		mv -f "$name" "$name.old"
	elif [ "$present" -lt "$size" ] && [ ! -f "$name.part" ]; then
		mv "$name" "$name.part" && mkdir -p "$state" && : >"$state/$name.found"
	else
		complain "$name: here, but $present bytes rather than $size; kept as $name.old"
		mv -f "$name" "$name.old"
	fi
	return 1
}

# The bytes are all there and wrong. What we had not fetched ourselves is kept.
put_away() {
	if [ -f "$state/$name.found" ]; then
		mv -f "$name.part" "$name.old"
		rm -f "$state/$name.found"
	else
		rm -f "$name.part"
	fi
}

fetch_file() {
	if remembered "$sum" "$size" "$name" || look_at_present; then
		result verified
		return
	fi
	for round in first second; do
		if ! all_passes; then
			result "not fetched: ${why:-given up}"
			return
		fi
		if is_right "$name.part"; then
			if mv -f "$name.part" "$name"; then
				rm -f "$state/$name.found"
				remember "$sum" "$size" "$name"
				result verified
				say "$name: verified, $(in_words "$size")"
			else
				result "not renamed"
			fi
			return
		fi
		put_away
		[ "$round" = second ] || complain "$name: its SHA-256 is not the right one; it is fetched once more"
	done
	result "damaged: its SHA-256 was wrong twice"
}

check_file() {
	if [ ! -f "$name" ]; then
		result missing
	elif [ "$(size_of "$name")" != "$size" ]; then
		result "damaged: $(size_of "$name") bytes rather than $size"
	elif ! is_right "$name"; then
		rm -f "$state/$name"
		result "damaged: its SHA-256 is not the right one"
	else
		remember "$sum" "$size" "$name"
		result verified
		say "$name: verified"
	fi
}

# Each worker goes through the whole list and takes what no other has taken.
work() {
	child=''
	trap 'if [ -n "$child" ]; then kill "$child" 2>/dev/null; fi; exit 143' HUP INT TERM
	number=0
	while read -r sum size name <&3; do
		number=$((number + 1))
		if stopped; then exit; fi
		mkdir "$tmp/$number.taken" 2>/dev/null || continue
		if [ "$mode" = check ]; then check_file; else fetch_file; fi
	done 3<"$tmp/files"
}

bytes_here() {
	while read -r sum size name; do
		if [ -f "$name.part" ]; then size_of "$name.part"; else size_of "$name"; fi
	done <"$tmp/files" | awk '{ n += $1 } END { printf "%.0f\n", n }'
}

# Says every now and then how far it is, and ends the workers when the run itself has been killed.
watch() {
	every=60
	[ ! -t 1 ] || every=10
	then_here=$(bytes_here) seconds=0
	while sleep 1 >/dev/null 2>&1; do
		if ! kill -0 "$$" 2>/dev/null; then
			# shellcheck disable=SC2086 # several numbers
			kill $workers 2>/dev/null
			rm -rf "$tmp"
			exit
		fi
		seconds=$((seconds + 1))
		[ "$((seconds % every))" = 0 ] || continue
		here=$(bytes_here)
		say "$title: $(in_words "$here") of $(in_words "$total"), $(in_words $(((here - then_here) / every)))/s"
		then_here=$here
	done
}

# shellcheck disable=SC2317 # these three are called by traps
end_children() {
	# shellcheck disable=SC2086 # several numbers
	kill $watcher $workers 2>/dev/null
	# shellcheck disable=SC2086
	wait $workers 2>/dev/null
}

# shellcheck disable=SC2317
clean_up() {
	rm -rf "$tmp"
	[ -z "$locked" ] || rm -rf "$lock"
}

# shellcheck disable=SC2317
interrupted() {
	trap '' HUP INT TERM
	end_children
	complain "Interrupted. Start it again: it resumes."
	exit "$1"
}

run_workers() {
	workers='' n=0
	while [ "$n" -lt "$jobs" ]; do
		n=$((n + 1))
		work &
		workers="$workers $!"
	done
	watch &
	watcher=$!
	# shellcheck disable=SC2086
	wait $workers
	kill "$watcher" 2>/dev/null
}

report() {
	verified=0 number=0
	while read -r sum size name; do
		number=$((number + 1))
		outcome='not reached'
		[ ! -f "$tmp/$number.result" ] || outcome=$(cat "$tmp/$number.result")
		if [ "$outcome" = verified ]; then
			verified=$((verified + 1))
		else
			complain "$name: $outcome"
		fi
	done <"$tmp/files"
	if [ "$verified" = "$count" ]; then
		say "$title: all of $(files_in_words "$count") verified, $(in_words "$total"), in $(pwd)"
		exit 0
	fi
	complain "$title: $verified of $(files_in_words "$count") verified, in $(pwd)"
	if [ -e "$tmp/refused" ]; then
		cat "$tmp/refused" >&2
		exit 4
	fi
	if [ -e "$tmp/full" ]; then
		complain "Writing failed: the disk is full, or this folder has a quota. ($(cat "$tmp/full"))"
		exit 3
	fi
	[ "$mode" = check ] || complain "Start it again: it resumes. Questions: $contact"
	exit 1
}

main() {
	LC_ALL=C
	export LC_ALL
	read_options "$@"
	if [ "$mode" = help ]; then
		usage
		exit 0
	fi
	# This file holds the link, and curl may have made it readable for everybody.
	case $0 in
	*.sh) chmod go= "$0" 2>/dev/null ;;
	esac
	need_programs
	locked='' workers='' watcher=''
	state=.$stem.verified lock=.$stem.lock
	tmp=$(umask 077 && mktemp -d "${TMPDIR:-/tmp}/$stem.XXXXXX") || exit 3
	trap clean_up EXIT
	trap 'interrupted 129' HUP
	trap 'interrupted 130' INT
	trap 'interrupted 143' TERM
	choose_files >"$tmp/files"
	count=$(awk 'END { print NR }' "$tmp/files")
	total=$(awk '{ n += $2 } END { printf "%.0f\n", n }' "$tmp/files")
	[ "$count" -gt 0 ] || bad_call "No file of $title has such a name; --list shows them all"
	if [ "$mode" = list ]; then
		while read -r sum size name; do printf '%10s  %s\n' "$(in_words "$size")" "$name"; done <"$tmp/files"
		exit 0
	fi
	if [ -n "$dir" ]; then
		mkdir -p -- "$dir" && cd -- "$dir" || exit 3
	fi
	take_lock
	locked=yes
	say "$title: $(files_in_words "$count"), $(in_words "$total"), in $(pwd)"
	if [ "$mode" = fetch ]; then need_space; fi
	run_workers
	report
}

main "$@"
{% endautoescape %}
