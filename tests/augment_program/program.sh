#!/usr/bin/env bash
# program.sh PART PROGRAM PICTURES SCRATCH: what the program `augment` does as a whole, on made-up pictures.
set -euo pipefail
# shellcheck source=tests/program.sh
source "$(dirname "${BASH_SOURCE[0]}")/../program.sh"

part=$1 program=$2 pictures=$3 scratch=$4
enter "$scratch"

# refused TEXT OPTION...: exit code 2, one line on stderr that has the text, and no file but those that were there.
refused() {
    local text=$1 status=0 before
    shift
    before=$(find . ! -name '*.txt')
    "$program" "$@" >out.txt 2>err.txt || status=$?
    [[ $status -eq 2 ]] || fail "exit code $status, not 2: $* ($(cat err.txt))"
    [[ $(grep -c '^augment: ' err.txt) -eq 1 && $(tail -n 1 err.txt) == "augment: "*"$text"* ]] ||
        fail "no line with '$text': $* ($(cat err.txt))"
    [[ $(find . ! -name '*.txt') == "$before" ]] || fail "it wrote something: $*"
}

# drawn RECIPE [OPTION...]: the lines of parameters, one a view.
drawn() {
    "$program" data --recipe "$1" --show-parameters "${@:2}" 2>/dev/null | grep '^picture ' || fail "no parameters: $1"
}

# within NAME LOW HIGH: whether each number that follows the word NAME in lines of parameters is in the range, and
# there is one.
within() {
    awk -v name="$1" -v low="$2" -v high="$3" '
        { for (k = 1; k < NF; ++k) if ($k == name) { ++seen; if (!($(k + 1) >= low && $(k + 1) <= high)) bad = $0 } }
        END { if (bad || !seen) { print name " from " low " to " high ": " (bad ? bad : "none"); exit 1 } }' drawn.txt ||
        fail "parameters"
}

# crops LOW HIGH: whether crops lie inside pictures as `pictures` makes them, with a share of the area in the range and
# sides of 3 : 4 to 4 : 3, but for what rounding sides to pixels moves.
crops() {
    awk -v low="$1" -v high="$2" '
        {
            side = 160 + 16 * $2
            for (k = 1; k < NF && $k != "crop"; ++k) {}
            split($(k + 1), n, /[x+]/)
            slack = 1 / n[1] + 1 / n[2]
            share = n[1] * n[2] / side / side
            ratio = n[2] / n[1]
            inside = n[1] > 0 && n[2] > 0 && n[3] >= 0 && n[4] >= 0 && n[1] + n[3] <= side && n[2] + n[4] <= side
            if (!inside || share < low * (1 - slack) || share > high * (1 + slack) ||
                ratio < 0.75 * (1 - slack) || ratio > 4 / 3 * (1 + slack)) bad = $0
        }
        END { if (bad || !NR) { print "crops from " low " to " high ": " bad; exit 1 } }' drawn.txt || fail "parameters"
}

# some WORD: whether there are lines of parameters with the word, and without.
some() {
    local count
    count=$(grep -cw -- "$1" drawn.txt || true)
    [[ $count -gt 0 && $count -lt $(wc -l <drawn.txt) ]] || fail "'$1' in $count of $(wc -l <drawn.txt) lines"
}

"$pictures" make data 12 || fail "no pictures"

case $part in
exit_codes)
    "$program" --help >help.txt || fail "--help"
    grep -q -- --show-parameters help.txt || fail "--help says nothing of --show-parameters"
    refused 'unknown option --no-such' data --no-such
    refused '--seed needs a value' data --seed
    for seed in one -1 1x 18446744073709551616 ''; do
        refused "--seed $seed: expected a whole number" data --seed "$seed"
    done
    refused '--recipe jigsaw: expected one of byol, dino, dino_v2, ibot, mae, moco_v2, pirl, rotnet, simclr, swav' \
        data --recipe jigsaw
    refused '--output sheet.tga: expected a name that ends in .png or .jpg' data --output sheet.tga
    refused 'more than one folder: data and more' data more
    refused 'no folder nowhere' nowhere
    : >file
    refused 'no folder file' file
    mkdir empty
    refused 'no picture could be read in empty' empty
    ;;
damaged)
    "$program" data --output whole.png >/dev/null 2>&1 || fail "exit code $?"
    # What is damaged is left out, and the numbers of the others are as without it.
    cp -r data some
    : >some/aa.png
    head -c 3000 data/b.jpg >some/bb.jpg
    head -c 3000 data/c.png >some/cc.png
    printf 'no picture' >some/dd.jpeg
    ln -s nowhere some/ee.png
    printf 'no picture' >some/readme.txt
    status=0
    "$program" some --output some.png >out.txt 2>err.txt || status=$?
    [[ $status -eq 1 ]] || fail "exit code $status, not 1 ($(cat err.txt))"
    for name in aa.png bb.jpg cc.png dd.jpeg ee.png; do
        [[ $(grep -cx "damaged, left out: some/$name" err.txt) -eq 1 ]] || fail "$name is not named once: $(cat err.txt)"
    done
    [[ $(grep -c damaged err.txt) -eq 5 ]] || fail "others are named: $(cat err.txt)"
    grep -q 'views of 12 pictures' out.txt || fail "not 12 pictures: $(cat out.txt)"
    cmp whole.png some.png || fail "the sheet is another"

    mkdir all
    cp some/{aa.png,bb.jpg} all
    refused 'no picture could be read in all' all
    # A thumbnail inside has an end of its own; a file may go on after the end of its picture.
    {
        printf '\xff\xd8\xff\xe1\x00\x08\xff\xd9\xff\xd9\xff\xd9'
        tail -c +3 data/b.jpg
    } >with-thumbnail
    mkdir thumbnails
    head -c 3000 with-thumbnail >thumbnails/a.jpg
    { cat with-thumbnail && printf 'more'; } >thumbnails/b.jpg
    status=0
    "$program" thumbnails --output thumbnails.png >out.txt 2>err.txt || status=$?
    [[ $status -eq 1 && $(grep damaged err.txt) == "damaged, left out: thumbnails/a.jpg" ]] ||
        fail "exit code $status: $(cat err.txt)"
    ;;
seeds)
    for recipe in simclr ibot pirl; do
        "$program" data --recipe "$recipe" --seed 5 --output first.png >/dev/null 2>&1
        "$program" data --recipe "$recipe" --seed 5 --output again.png >/dev/null 2>&1
        OMP_NUM_THREADS=1 "$program" data --recipe "$recipe" --seed 5 --output alone.png >/dev/null 2>&1
        "$program" data --recipe "$recipe" --seed 18446744073709551615 --output other.png >/dev/null 2>&1
        cmp first.png again.png || fail "$recipe: the same seed, another sheet"
        cmp first.png alone.png || fail "$recipe: fewer threads, another sheet"
        ! cmp -s first.png other.png || fail "$recipe: another seed, the same sheet"
    done
    ;;
parameters)
    drawn simclr >drawn.txt
    drawn simclr >again.txt
    cmp drawn.txt again.txt || fail "the same seed, other parameters"
    [[ $(wc -l <drawn.txt) -eq 48 && $(sort -u drawn.txt | wc -l) -eq 48 ]] || fail "not 48 views: $(cat drawn.txt)"
    crops 0.08 1
    for name in brightness contrast saturation; do within $name 0.2 1.8; done
    within hue -0.2 0.2
    within blur 0.1 2
    for name in flip hue grayscale blur; do some $name; done
    ! grep -qw solarize drawn.txt || fail "SimCLR does not solarize"

    # More pictures than are in memory together: none repeats the numbers of another.
    "$pictures" make many 20 || fail "no pictures"
    "$program" many --show-parameters 2>/dev/null | grep -o ' hue [^ ]*' >hues.txt
    [[ $(wc -l <hues.txt) -gt 50 && $(sort -u hues.txt | wc -l) -eq $(wc -l <hues.txt) ]] ||
        fail "the same hue twice: $(sort hues.txt | uniq -d)"

    drawn moco_v2 >drawn.txt
    crops 0.2 1
    for name in brightness contrast saturation; do within $name 0.6 1.4; done
    within hue -0.1 0.1

    drawn dino --seed 1 >all.txt
    grep ', view 0:' all.txt >drawn.txt
    crops 0.4 1
    [[ $(grep -cw blur drawn.txt) -eq 12 ]] || fail "a first view of DINO is not blurred"
    ! grep -qw solarize drawn.txt || fail "a first view of DINO is solarized"
    grep ', view 1:' all.txt >drawn.txt
    crops 0.4 1
    some solarize
    grep -E ', view [2-9]:' all.txt >drawn.txt
    crops 0.05 0.4
    some blur
    within saturation 0.8 1.2

    drawn swav >all.txt
    grep -E ', view [01]:' all.txt >drawn.txt
    crops 0.14 1
    grep -E ', view [2-7]:' all.txt >drawn.txt
    crops 0.05 0.14

    drawn mae >drawn.txt
    within masked 147 147
    # At most half of 14 x 14 and 16 x 16 patches.
    while read -r recipe most; do
        drawn "$recipe" | grep -E ', view [01]:' >drawn.txt
        within masked 0 "$most"
        some 'masked 0'
    done <<<"ibot 98
        dino_v2 128"
    drawn rotnet >drawn.txt
    for degrees in 0 90 180 270; do
        [[ $(grep -c " turned by $degrees\$" drawn.txt) -eq 12 ]] || fail "not all pictures are turned by $degrees"
    done
    drawn pirl >drawn.txt
    while read -r line; do
        [[ $(tr ' ' '\n' <<<"${line##* cells }" | sort | tr -d '\n') == 012345678 ]] || fail "no permutation: $line"
    done <drawn.txt
    ;;
recipes)
    # Of 12 square pictures the sheet shows 6, in cells of 128 with gaps of 4: views of 224 pixels as large, others less.
    while read -r recipe views width height; do
        "$program" data --recipe "$recipe" --output "$recipe.png" >out.txt 2>err.txt || fail "$recipe: $(cat err.txt)"
        grep -q "^$((12 * views)) views of 12 pictures, [0-9]* images/s" out.txt || fail "$recipe: $(cat out.txt)"
        [[ $("$pictures" size "$recipe.png") == "${width}x$height" ]] ||
            fail "$recipe: a sheet of $("$pictures" size "$recipe.png")"
    done <<<"simclr 4 664 796
        moco_v2 4 664 796
        byol 2 400 796
        swav 8 $((400 + 6 * 59)) 796
        dino 10 $((400 + 8 * 59)) 796
        dino_v2 10 $((664 + 8 * 60)) 796
        ibot 12 $((664 + 10 * 59)) 796
        mae 1 400 796
        pirl 1 $((136 + 114)) 796
        rotnet 4 664 796"
    "$pictures" turned rotnet.png || fail "the views of RotNet are not one view, turned"
    ! "$pictures" turned simclr.png || fail "those of SimCLR are"
    "$pictures" masked mae.png || fail "MAE's mask does not hide three quarters"
    ! "$pictures" masked byol.png || fail "BYOL has one"

    # Any size will do.
    mkdir small
    for size in '1 1' '1 7' '300 2'; do
        # shellcheck disable=SC2086
        "$pictures" plain small $size || fail "no pictures"
    done
    for recipe in simclr moco_v2 byol swav dino dino_v2 ibot mae pirl rotnet; do
        "$program" small --recipe "$recipe" --output small.png >/dev/null 2>err.txt || fail "$recipe: $(cat err.txt)"
    done
    ;;
unwritable)
    : >file
    mkdir folder.png
    refused 'cannot create folder file' data --output file/sheet.png
    refused 'cannot create folder /proc/no/such' data --output /proc/no/such/sheet.png
    refused 'cannot write folder.png' data --output folder.png
    refused '--output /dev/full' data --output /dev/full
    status=0
    "$program" data --output said.png >/dev/full 2>err.txt || status=$?
    [[ $status -eq 2 && $(tail -n 1 err.txt) == 'augment: cannot write to the standard output' ]] ||
        fail "exit code $status with a full standard output: $(cat err.txt)"
    "$program" data --output sheet.png >/dev/null 2>&1
    cp sheet.png before.png
    # A limit on the size of files fails like a full disk: in the middle of a write.
    (ulimit -f 64 && refused 'cannot write sheet.png' data --seed 1 --output sheet.png) || exit 1
    cmp sheet.png before.png || fail "a failed write changed the sheet"
    mkdir -p deep
    "$program" data --output deep/er/sheet.jpg >/dev/null 2>&1 || fail "folders are not made"
    [[ $("$pictures" size deep/er/sheet.jpg) == 664x796 ]] || fail "no sheet in the folder"
    ;;
*)
    fail "unknown part $part"
    ;;
esac
