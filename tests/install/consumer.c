/* SPDX-License-Identifier: Apache-2.0
 *
 * What a user's first program is: built against the installed headers and library alone. */
#include <hone/hone.h>

#include <stdio.h>

int main(void) {
    hone_shape shape = {3, {28, 28, 1}};
    hone_model *model;
    hone_error err;
    if (hone_model_preset(&model, "mnist-cnn", &shape, 10, &err) != HONE_OK ||
        hone_model_build(model, 1, &err) != HONE_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%s: %zu weights\n", hone_version(), hone_model_weight_count(model));
    hone_model_free(model);
    return 0;
}
