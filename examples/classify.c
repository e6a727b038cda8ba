/* SPDX-License-Identifier: Apache-2.0
 *
 * A saved model inside another program: load once, then classify pictures without allocating.
 *
 *     classify MODEL.h5 IMAGE… */
#include <hone/hone.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: classify MODEL.h5 IMAGE…\n");
        return 2;
    }
    hone_error err = {0};
    hone_model *model = NULL;
    hone_plan *plan = NULL;
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = 1;
    hone_status status = hone_model_load(&model, argv[1], NULL, &err);
    if (status == HONE_OK) status = hone_plan_create(&plan, model, &config, &err);
    hone_shape input = {0}, output = {0};
    float *scores = NULL;
    if (status == HONE_OK) {
        input = hone_model_input_shape(model);
        output = hone_model_output_shape(model);
        scores = calloc((size_t)hone_shape_size(&output), sizeof *scores);
    }
    for (int i = 2; status == HONE_OK && scores && i < argc; i++) {
        hone_image file = {0}, fitted = {0};
        status = hone_image_read(&file, argv[i], &err);
        if (status == HONE_OK)
            status =
                hone_image_convert(&fitted, &file, (int)input.dims[0], (int)input.dims[1], (int)input.dims[2], &err);
        if (status == HONE_OK) {
            hone_plan_predict_pixels(plan, fitted.pixels, 1, scores);
            size_t best = 0;
            for (size_t k = 1; k < (size_t)hone_shape_size(&output); k++)
                if (scores[k] > scores[best]) best = k;
            const char *name = hone_model_class_name(model, best); /* NULL where the file has none: others' may not */
            if (name)
                printf("%s: %s (%.3f)\n", argv[i], name, scores[best]);
            else
                printf("%s: class %zu (%.3f)\n", argv[i], best, scores[best]);
        }
        hone_image_release(&fitted);
        hone_image_release(&file);
    }
    if (status != HONE_OK) fprintf(stderr, "classify: %s\n", err.message);
    free(scores);
    hone_plan_free(plan);
    hone_model_free(model);
    return status == HONE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
