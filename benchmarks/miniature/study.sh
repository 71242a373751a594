#!/bin/sh
# The miniature study, by hubbot's own commands. Each part may be killed and run again: what is done is kept.
#
#   study.sh source NAME   fine-tune MiniLM on that data set, put it on the Hub as study/minilm-NAME, probe it
#   study.sh gains NAME    fine-tune study/minilm-NAME on the targets, three seeds
#   study.sh all           everything, one after the other
#
# Needs the embedded Hub of hub.py (HF_ENDPOINT), HF_TOKEN=hf_study, HUBBOT_DATA_DIR, and STUDY, a folder
# to work in. Two parts may run beside each other; OMP_NUM_THREADS=1 gives each one core.
set -eu
export HF_HUB_DISABLE_XET=1 # the embedded Hub takes files as Git LFS does
export HUBBOT_LEDGER_FILE="$STUDY/ledger.sqlite" HUBBOT_RECORDS_DIR="$STUDY/scores" HUBBOT_CACHE_DIR="$STUDY/cache"

BASE=sentence-transformers/all-MiniLM-L6-v2
TARGETS=${TARGETS:-rte,cola,wic,copa,tweet_ev_irony,tweet_ev_emotion}
SOURCES="mnli qqp sst2 stsb tweet_ev_offensive snli tweet_ev_emoji"

source_of() {
    case $1 in
    snli) echo "$HUBBOT_DATA_DIR/snli" ;; # not in the catalog: a folder like anybody's
    *) echo "$1" ;;
    esac
}

make_source() {
    folder=$STUDY/models/$1
    if [ ! -e "$folder/config.json" ]; then
        hubbot finetune $BASE "$(source_of "$1")" --max-train 8000 --epochs 2 --out "$folder" --json \
            > "$STUDY/source_$1.json"
    fi
    if [ ! -e "$STUDY/uploaded_$1" ]; then
        hf upload "study/minilm-$1" "$folder" .
        touch "$STUDY/uploaded_$1"
    fi
    if [ ! -e "$STUDY/probe_$1.json" ]; then
        hubbot probe "study/minilm-$1" --json > "$STUDY/$1.part"
        mv "$STUDY/$1.part" "$STUDY/probe_$1.json"
    fi
}

measure() {
    hubbot evaluate "study/minilm-$1" --targets $TARGETS --seeds 3 --max-train 1000 --epochs 3 --json \
        > "$STUDY/$1.part"
    mv "$STUDY/$1.part" "$STUDY/gains_$1.json"
}

case ${1:-} in
source) make_source "$2" ;;
gains) measure "$2" ;;
all)
    for name in $SOURCES; do make_source "$name"; done
    for name in $SOURCES; do measure "$name"; done
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
