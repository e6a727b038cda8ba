/* SPDX-License-Identifier: Apache-2.0
 *
 * --augment and --tta for the verbs that take them, and a word where it is likely to change what a picture shows. */
#include "commands.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int parse_augmentation(hone_augmentation **out, const verb *v, const char *text) {
    hone_error err = {0};
    hone_status status = hone_augmentation_parse(out, text, &err);
    if (status == HONE_OK) return -1;
    if (status == HONE_MEMORY) return failed(&err, NULL, "cannot augment");
    return usage_error(v, "--augment: %s", err.message);
}

int parse_tta(hone_tta_config *out, hone_augmentation **augmentation, const verb *v, const char *text, int64_t seed) {
    static const char usual[] = "rotation=5,shift=0.05,zoom=0.05";
    size_t digits = strspn(text, "0123456789");
    bool is_counted = digits > 0 && (text[digits] == '\0' || text[digits] == ':');
    long variants = is_counted ? strtol(text, NULL, 10) : 8;
    const char *how = is_counted ? text + digits + (text[digits] == ':') : text;
    hone_error err = {0};
    if (variants < 1 || variants > 1000)
        return usage_error(v, "--tta is '%s', expected 1 to 1000 variants, and perhaps how: 8:rotation=10", text);
    hone_status status = hone_augmentation_parse(augmentation, *how ? how : usual, &err);
    if (status == HONE_OK && hone_augmentation_mixes(*augmentation))
        return usage_error(v, "--tta: mixup and cutmix show two pictures in one");
    if (status != HONE_OK)
        return status == HONE_MEMORY ? failed(&err, NULL, "cannot augment") : usage_error(v, "--tta: %s", err.message);
    *out = (hone_tta_config){.augmentation = *augmentation, .variants = (size_t)variants, .seed = (uint64_t)seed};
    return -1;
}

/* Names of one character that is a letter or a digit, all of them: pictures of writing. */
static bool are_characters(const hone_dataset *data) {
    size_t classes = hone_dataset_classes(data);
    for (size_t i = 0; i < classes; i++) {
        const char *name = hone_dataset_class_name(data, i);
        if (!isalnum((unsigned char)name[0]) || name[1]) return false;
    }
    return classes > 0;
}

void note_unsafe_labels(const hone_augmentation *augmentation, const hone_dataset *data, bool quiet) {
    if (!are_characters(data)) return;
    const char *class_name = hone_dataset_class_name(data, 0);
    if (hone_augmentation_mirrors(augmentation))
        note(quiet,
             "note: the classes look like characters ('%s', …), and a mirrored character is none, or another: "
             "are you sure of horizontal_flip?",
             class_name);
    if (hone_augmentation_turns_over(augmentation))
        note(quiet,
             "note: the classes look like characters ('%s', …), and turned over a 6 is a 9: are you sure of "
             "vertical_flip or a rotation beyond 45 degrees?",
             class_name);
}
