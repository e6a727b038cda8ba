/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: Einsum of two tensors, which is a product of matrices once the axes are called by what becomes of them. */
#include "onnx_import.h"

#include <ctype.h>
#include <string.h>

enum { LETTERS = HONE_ONNX_AXES };

/* "bhid,bhjd->bhij": the letters of two operands and of the result. */
typedef struct equation {
    char terms[3][LETTERS + 1];
} equation;

static hone_status not_understood(hone__onnx_import *im, const char *text) {
    return hone__onnx_refuse(im, HONE_UNSUPPORTED,
                             "'%.48s' is no product of two tensors in which every letter stands for one axis", text);
}

static hone_status read_equation(hone__onnx_import *im, equation *e) {
    char text[8 * LETTERS];
    const char *stated = hone__onnx_word(im->node, "equation", "", text, sizeof text), *at = stated;
    int term = 0;
    *e = (equation){{{0}}};
    for (; *at; at++) {
        size_t length = strlen(e->terms[term]);
        if (*at == ' ') continue;
        if (*at == ',' && term == 0) {
            term = 1;
        } else if (at[0] == '-' && at[1] == '>' && term == 1) {
            term = 2;
            at++;
        } else if (isalpha((unsigned char)*at) && length < LETTERS && !strchr(e->terms[term], *at)) {
            e->terms[term][length] = *at;
        } else {
            return not_understood(im, stated);
        }
    }
    return term == 2 && im->node->n_input == 2 ? HONE_OK : not_understood(im, stated);
}

/* Letters of term that are (or are not) in the other operand and in the result, behind what is in out. */
static void add_letters(const equation *e, int term, bool in_other, bool in_result, char *out) {
    for (const char *c = e->terms[term]; *c; c++) {
        bool other = strchr(e->terms[1 - term], *c) != NULL, result = strchr(e->terms[2], *c) != NULL;
        size_t length = strlen(out);
        if (other == in_other && result == in_result && length < LETTERS) out[length] = *c;
    }
}

static int place_of(const char *term, char letter) {
    const char *found = strchr(term, letter);
    return found ? (int)(found - term) : -1;
}

/* Axes in the order of letters; the last counts[1] of them are seen as one, and those counts[0] before them. */
static hone_status turn(hone__onnx_import *im, hone__onnx_value *x, const char *term, const char *letters,
                        const size_t counts[2]) {
    int64_t perm[HONE_ONNX_AXES] = {0}, dims[HONE_ONNX_AXES];
    size_t rank = strlen(letters), lead = rank - counts[0] - counts[1];
    for (size_t i = 0; i < rank; i++) perm[i] = place_of(term, letters[i]);
    hone__onnx_layout_transpose(&x->layout, perm);
    for (size_t i = 0; i < lead; i++) dims[i] = x->layout.dims[i];
    dims[lead] = dims[lead + 1] = 1;
    for (size_t i = lead; i < rank; i++) dims[lead + (i >= lead + counts[0])] *= x->layout.dims[i];
    return hone__onnx_reshape_to(im, x, dims, (int)lead + 2);
}

/* The sizes that letters stand for, and whether both operands agree. */
static hone_status check_sizes(hone__onnx_import *im, const equation *e, hone__onnx_value *const in[2]) {
    for (int term = 0; term < 2; term++) {
        const hone__onnx_layout *layout = &in[term]->layout, *other = &in[1 - term]->layout;
        if ((size_t)layout->rank != strlen(e->terms[term]))
            return hone__onnx_refuse(im, HONE_SHAPE, "'%s' stands for a tensor of %d axes", e->terms[term],
                                     layout->rank);
        for (int i = 0; i < layout->rank; i++) {
            int place = place_of(e->terms[1 - term], e->terms[term][i]);
            if (place >= 0 && place < other->rank && other->dims[place] != layout->dims[i])
                return hone__onnx_refuse(im, HONE_SHAPE, "'%c' stands for %lld and %lld elements", e->terms[term][i],
                                         (long long)layout->dims[i], (long long)other->dims[place]);
        }
    }
    return HONE_OK;
}

/* The product (lead, rows, columns) with its axes as the result has them. */
static hone_status unfold(hone__onnx_import *im, const equation *e, hone__onnx_value *const in[2], const char *letters,
                          hone__onnx_value *out) {
    int64_t dims[HONE_ONNX_AXES], perm[HONE_ONNX_AXES] = {0};
    const int rank = (int)strlen(letters);
    for (int i = 0; i < rank; i++) {
        int place = place_of(e->terms[0], letters[i]);
        dims[i] = place >= 0 ? in[0]->layout.dims[place] : in[1]->layout.dims[place_of(e->terms[1], letters[i])];
        perm[i] = place_of(letters, e->terms[2][i]);
    }
    HONE_TRY(hone__onnx_reshape_to(im, out, dims, rank));
    hone__onnx_layout_transpose(&out->layout, perm);
    return HONE_OK;
}

static hone_status product(hone__onnx_import *im, const equation *e, hone__onnx_value *const in[2],
                           hone__onnx_value looks[2], hone__onnx_value *out) {
    char lead[2 * LETTERS + 1] = "", rows[LETTERS + 1] = "", columns[LETTERS + 1] = "", inner[LETTERS + 1] = "";
    char left[4 * LETTERS + 1], right[4 * LETTERS + 1], result[4 * LETTERS + 1];
    add_letters(e, 0, true, true, lead);
    add_letters(e, 0, false, true, rows);
    add_letters(e, 1, false, true, columns);
    add_letters(e, 0, true, false, inner);
    snprintf(left, sizeof left, "%s%s%s", lead, rows, inner);
    snprintf(right, sizeof right, "%s%s%s", lead, inner, columns);
    snprintf(result, sizeof result, "%s%s%s", lead, rows, columns);
    if (strlen(left) != strlen(e->terms[0]) || strlen(right) != strlen(e->terms[1]) ||
        strlen(result) != strlen(e->terms[2]) || strlen(lead) + 2 > HONE_ONNX_AXES)
        return not_understood(im, e->terms[2]);
    for (int i = 0; i < 2; i++) HONE_TRY(hone__onnx_look(im, in[i], &looks[i]));
    HONE_TRY(turn(im, &looks[0], e->terms[0], left, (const size_t[]){strlen(rows), strlen(inner)}));
    HONE_TRY(turn(im, &looks[1], e->terms[1], right, (const size_t[]){strlen(inner), strlen(columns)}));
    HONE_TRY(hone__onnx_multiply_tensors(im, &looks[0], &looks[1], out));
    return unfold(im, e, in, result, out);
}

static hone_status einsum(hone__onnx_import *im) {
    equation e;
    hone__onnx_value *const in[2] = {hone__onnx_in(im, 0), hone__onnx_in(im, 1)}, *out = hone__onnx_out(im);
    HONE_TRY(read_equation(im, &e));
    if (!in[1] || in[0]->kind == ONNX_CONSTANT || in[1]->kind == ONNX_CONSTANT)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "is supported of two tensors, not of a constant");
    HONE_TRY(check_sizes(im, &e, in));
    hone__onnx_value looks[2] = {{.name = in[0]->name}, {.name = in[1]->name}};
    hone_status status = product(im, &e, in, looks, out);
    for (int i = 0; i < 2; i++) hone__free(looks[i].layer);
    return status;
}

const hone__onnx_operators hone__onnx_einsum_operators[] = {
    {"Einsum", einsum},
    {NULL, NULL},
};
