#!/bin/sh
# Recites one sonnet of a file: a token for each word, progress for each line, the count of words as output.
set -euf

poem=$(awk -v number="$2" 'BEGIN { RS = "" } found { print; exit } $0 == number { found = 1 }' "$1")
if [ -z "$poem" ]; then
    printf '{"error":{"category":"validation","message":"there is no sonnet %s in %s"}}\n' "$2" "$1"
    exit 1
fi

escaped() {
    printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'
}

lines=$(printf '%s\n' "$poem" | wc -l)
line_number=0
word_count=0
while IFS= read -r line; do
    for word in $line; do
        printf '{"token":"%s "}\n' "$(escaped "$word")"
        word_count=$((word_count + 1))
        sleep 0.4
    done
    printf '{"token":"\\n"}\n'
    line_number=$((line_number + 1))
    fraction=$(awk -v done="$line_number" -v all="$lines" 'BEGIN { printf "%.3f", done / all }')
    printf '{"progress":%s,"message":"line %s of %s"}\n' "$fraction" "$line_number" "$((lines))"
done <<EOF
$poem
EOF
printf '{"output":{"sonnet":%s,"words":%s}}\n' "$2" "$word_count"
