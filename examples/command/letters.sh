#!/bin/sh
# A step written for the shell, in its simplest form: what it prints is its text and its output.
set -eu

tr -cd 'A-Za-z' <"$1" | tr 'A-Z' 'a-z' | fold -w 1 | sort | uniq -c | sort -rn | head -n 8 |
    while read -r count letter; do
        echo "$letter $count"
        sleep 0.5
    done
