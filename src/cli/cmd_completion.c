/* SPDX-License-Identifier: Apache-2.0
 *
 * hone completion: what a shell completes, written from the tables that parse the command line, so that it cannot be
 * another command line than theirs.
 *
 * One idea: a word's kind is told by what the help calls it (FILE, DIR, DATA, MODEL), in options and in a verb's usage. */
#include "commands.h"

#include <ctype.h>
#include <string.h>

/* ---- what a word may be ------------------------------------------------------------------------------------------ */

typedef enum word_kind { WORD_ANY, WORD_FILE, WORD_FOLDER, WORD_DATA, WORD_MODEL } word_kind;

static bool begins_with(const char *text, const char *begin) {
    return strncmp(text, begin, strlen(begin)) == 0;
}

static word_kind kind_of(const option *o) {
    if (!o->argument) return WORD_ANY;
    if (begins_with(o->argument, "FILE") || strcmp(o->argument, "PATH") == 0) return WORD_FILE;
    if (begins_with(o->argument, "DIR") || strcmp(o->argument, "FOLDER") == 0) return WORD_FOLDER;
    if (strcmp(o->argument, "DATA") == 0) return WORD_DATA;
    return strcmp(o->argument, "MODEL") == 0 ? WORD_MODEL : WORD_ANY;
}

static void print_data_names(const char *between) {
    printf("digits");
    for (size_t i = 0; hone_collect_name(i); i++) printf("%s%s", between, hone_collect_name(i));
}

static void print_presets(const char *between) {
    for (size_t i = 0; hone_preset_name(i); i++) printf("%s%s", i ? between : "", hone_preset_name(i));
}

/* The words in lower case that a verb's usage spells out, as in "train|infer [MODEL]", with between behind each. */
static void print_spelt_words(const char *usage, const char *between) {
    for (const char *at = usage; *at;) {
        size_t length = 0;
        while (islower((unsigned char)at[length])) length++;
        bool begins = at == usage || strchr(" |[(", at[-1]), ends = !at[length] || strchr(" |])", at[length]);
        if (length > 0 && begins && ends && !begins_with(at, "options")) printf("%.*s%s", (int)length, at, between);
        at += length > 0 ? length : 1;
    }
}

/* What stands in for the words without dashes, beside files. */
static void print_words(const verb *v, const char *between) {
    print_spelt_words(v->usage, between);
    if (strstr(v->usage, "DATA") || strstr(v->usage, "NAME|")) {
        print_data_names(between);
        printf("%s", between);
    }
    for (size_t i = 0; strstr(v->usage, "VERB") && all_verbs[i]; i++) printf("%s%s", all_verbs[i]->name, between);
}

/* ---- text in quotes ------------------------------------------------------------------------------------------------ */

/* text between single quotes, with a backslash before each of special. A quote in it is written as quote. */
static void print_quoted(const char *text, const char *special, const char *quote) {
    for (; *text; text++) {
        if (*text == '\'')
            printf("%s", quote);
        else if (strchr(special, *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

/* ---- bash ---------------------------------------------------------------------------------------------------------- */

static const option *bash_tables[2];
static size_t bash_counts[2];

/* "--output | -o", of all options of a kind; false where there is none. */
static bool print_bash_names(word_kind kind) {
    bool any = false;
    for (int t = 0; t < 2; t++) {
        for (size_t i = 0; i < bash_counts[t]; i++) {
            const option *o = &bash_tables[t][i];
            bool has_value = o->kind != OPTION_HEADING && o->kind != OPTION_FLAG && o->kind != OPTION_MAYBE;
            if (!has_value || kind_of(o) != kind) continue;
            printf("%s--%s", any ? " | " : "        ", o->name);
            if (o->letter) printf(" | -%c", o->letter);
            any = true;
        }
    }
    return any;
}

static void visit_for_bash(void *context, const verb *v, const option *table, size_t count, const option *common,
                           size_t common_count) {
    static const char *const kinds[] = {"any", "file", "folder", "data", "model"};
    (void)context;
    bash_tables[0] = table, bash_counts[0] = count;
    bash_tables[1] = common, bash_counts[1] = common_count;
    printf("    %s)\n        options='", v->name);
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < bash_counts[t]; i++)
            if (bash_tables[t][i].kind != OPTION_HEADING) printf("--%s ", bash_tables[t][i].name);
    printf("'\n        words='");
    print_words(v, " ");
    printf("'\n        case $prev in\n");
    for (int kind = WORD_ANY; kind <= WORD_MODEL; kind++)
        if (print_bash_names((word_kind)kind)) printf(") kind=%s ;;\n", kinds[kind]);
    printf("        esac ;;\n");
}

static void print_bash(void) {
    printf("# bash completion of hone; written by: hone completion bash\n"
           "_hone() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} kind=word options= words=\n"
           "    COMPREPLY=()\n"
           "    if ((COMP_CWORD == 1)); then\n"
           "        mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; all_verbs[i]; i++) printf("%s ", all_verbs[i]->name);
    printf("--help --version' -- \"$cur\")\n"
           "        return\n"
           "    fi\n"
           "    # bash cuts --name=value at the sign\n"
           "    if [[ $cur == = ]]; then\n"
           "        cur=\n"
           "    elif [[ $prev == = ]]; then\n"
           "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
           "    fi\n"
           "    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; all_verbs[i]; i++) options_describe(all_verbs[i], visit_for_bash, NULL);
    printf("    *) return ;;\n"
           "    esac\n"
           "    if [[ $kind == word && $cur == -* ]]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
           "        return\n"
           "    fi\n"
           "    case $kind in\n"
           "    any) return ;;\n"
           "    data) words='");
    print_data_names(" ");
    printf("' ;;\n"
           "    model) words='");
    print_presets(" ");
    printf("' ;;\n"
           "    file | folder) words= ;;\n"
           "    esac\n"
           "    compopt -o filenames 2>/dev/null\n"
           "    local files=-f\n"
           "    [[ $kind == folder ]] && files=-d\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"; compgen $files -- \"$cur\")\n"
           "}\n"
           "complete -F _hone hone\n");
}

/* ---- zsh ----------------------------------------------------------------------------------------------------------- */

static void print_for_zsh(const char *text, const char *special) {
    print_quoted(text, special, "'\\''");
}

static void print_zsh_option(const option *o) {
    static const char *const actions[] = {" ", "_files", "_files -/", "_hone_data", "_hone_models"};
    bool is_flag = o->kind == OPTION_FLAG;
    if (o->kind == OPTION_HEADING) return;
    printf("        ");
    if (o->letter)
        printf("'(-%c --%s)'{-%c%s,--%s%s}'", o->letter, o->name, o->letter, is_flag ? "" : "+", o->name,
               is_flag ? "" : "=");
    else
        printf("'--%s%s", o->name, is_flag ? "" : "=");
    printf("[");
    print_for_zsh(o->help, "[]\\");
    printf("]");
    if (!is_flag) {
        printf(o->kind == OPTION_MAYBE ? "::" : ":");
        print_for_zsh(o->argument, ":\\");
        printf(":%s", actions[kind_of(o)]);
    }
    printf("' \\\n");
}

static void visit_for_zsh(void *context, const verb *v, const option *table, size_t count, const option *common,
                          size_t common_count) {
    (void)context;
    printf("_hone_%s_words() {\n    _alternative 'words:word:(", v->name);
    print_words(v, " ");
    printf(")' 'files:file:_files'\n}\n_hone_%s() {\n    _arguments -s \\\n", v->name);
    for (size_t i = 0; i < count; i++) print_zsh_option(&table[i]);
    for (size_t i = 0; i < common_count; i++) print_zsh_option(&common[i]);
    printf("        '*: :_hone_%s_words'\n}\n", v->name);
}

static void print_zsh(void) {
    printf("#compdef hone\n# zsh completion of hone; written by: hone completion zsh\n"
           "_hone_data() {\n    _alternative 'names:name:(");
    print_data_names(" ");
    printf(")' 'files:file:_files'\n}\n_hone_models() {\n    _alternative 'presets:preset:(");
    print_presets(" ");
    printf(")' 'files:file:_files'\n}\n");
    for (size_t i = 0; all_verbs[i]; i++) options_describe(all_verbs[i], visit_for_zsh, NULL);
    printf("_hone() {\n    if ((CURRENT == 2)); then\n        local -a verbs=(\n");
    for (size_t i = 0; all_verbs[i]; i++) {
        printf("            '%s:", all_verbs[i]->name);
        print_for_zsh(all_verbs[i]->summary, "\\");
        printf("'\n");
    }
    printf("        )\n        _describe verb verbs\n        return\n    fi\n"
           "    local verb=$words[2]\n    shift words\n    ((CURRENT--))\n"
           "    (($+functions[_hone_$verb])) && _hone_$verb\n}\n"
           "if [[ $funcstack[1] == _hone ]]; then\n    _hone \"$@\"\nelse\n    compdef _hone hone\nfi\n");
}

/* ---- fish ---------------------------------------------------------------------------------------------------------- */

static void print_fish_option(const verb *v, const option *o) {
    if (o->kind == OPTION_HEADING) return;
    printf("complete -c hone -n '__fish_seen_subcommand_from %s' -l %s", v->name, o->name);
    if (o->letter) printf(" -s %c", o->letter);
    word_kind kind = kind_of(o);
    if (o->kind == OPTION_FLAG || o->kind == OPTION_MAYBE) {
        printf(" -f");
    } else if (kind == WORD_ANY) {
        printf(" -x");
    } else if (kind == WORD_FOLDER) {
        printf(" -x -a '(__fish_complete_directories)'");
    } else {
        printf(" -r -F");
        if (kind != WORD_FILE) printf(" -a '");
        if (kind == WORD_DATA) print_data_names(" ");
        if (kind == WORD_MODEL) print_presets(" ");
        if (kind != WORD_FILE) printf("'");
    }
    printf(" -d '");
    print_quoted(o->help, "\\", "\\'");
    printf("'\n");
}

static void visit_for_fish(void *context, const verb *v, const option *table, size_t count, const option *common,
                           size_t common_count) {
    (void)context;
    printf("complete -c hone -n __fish_use_subcommand -a %s -d '", v->name);
    print_quoted(v->summary, "\\", "\\'");
    printf("'\ncomplete -c hone -n '__fish_seen_subcommand_from %s' -F -a '", v->name);
    print_words(v, " ");
    printf("'\n");
    for (size_t i = 0; i < count; i++) print_fish_option(v, &table[i]);
    for (size_t i = 0; i < common_count; i++) print_fish_option(v, &common[i]);
}

static void print_fish(void) {
    printf("# fish completion of hone; written by: hone completion fish\ncomplete -c hone -f\n");
    for (size_t i = 0; all_verbs[i]; i++) options_describe(all_verbs[i], visit_for_fish, NULL);
}

/* ---- the verb -------------------------------------------------------------------------------------------------------- */

static int run(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    common_options common = {0};
    static positionals words;
    int status = options_parse(&verb_completion, NULL, 0, &common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count != 1) return usage_error(&verb_completion, "expected one shell: bash, zsh or fish");
    if (common.json) return usage_error(&verb_completion, "what a shell reads is no JSON");
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(words.at[0], shells[i].name) != 0) continue;
        shells[i].print();
        return finish_output();
    }
    return usage_error(&verb_completion, "no shell '%s': bash, zsh and fish are known", words.at[0]);
}

const verb verb_completion = {
    .name = "completion",
    .usage = "bash|zsh|fish [options]",
    .summary = "what a shell needs to complete hone's verbs and options",
    .details = "An installed hone brings these files along, at the places where the shells look for them. Without "
               "installing, this\n"
               "shell learns it by the first line below; in .bashrc it is there for good.",
    .examples = "  source <(hone completion bash)\n"
                "  hone completion zsh >~/.zfunc/_hone\n"
                "  hone completion fish >~/.config/fish/completions/hone.fish",
    .run = run,
};
