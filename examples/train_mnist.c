/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole pipeline in one page: data, network, training, evaluation, file.
 *
 *     train_mnist [DATA [OUTPUT.h5 [EPOCHS]]]
 *
 * DATA defaults to hone's own digits, which need no files; "mnist" takes the real ones. */
#include <hone/hone.h>

#include <stdio.h>
#include <stdlib.h>

static hone_status show_epoch(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    (void)context, (void)trainer, (void)err;
    printf("epoch %d", epoch + 1);
    for (size_t i = 0; i < logs->count; i++) printf("  %s %.4f", logs->keys[i], logs->values[i]);
    printf("\n");
    return HONE_OK;
}

int main(int argc, char **argv) {
    const char *source = argc > 1 ? argv[1] : "digits:10000:1";
    const char *output = argc > 2 ? argv[2] : "mnist_model.h5";
    int epochs = argc > 3 ? atoi(argv[3]) : 2;

    hone_error err = {0};
    hone_threads *threads = NULL;
    hone_dataset *data = NULL;
    hone_model *model = NULL;
    hone_trainer *trainer = NULL;
    hone_split split = {0};
    hone_evaluation result;

    hone_status status = hone_threads_create(&threads, 0, &err);

    /* Collect: 28x28 grey images with labels 0 … 9; the last tenth validates. */
    hone_dataset_config data_config = hone_dataset_config_default();
    data_config.split = "train";
    data_config.threads = threads;
    if (status == HONE_OK) status = hone_dataset_open(&data, source, &data_config, &err);
    if (status == HONE_OK) status = hone_split_last(&split, hone_dataset_samples(data), 0.1, &err);

    /* Choose: the layers one by one; hone_model_preset("mnist-cnn") is the same. */
    if (status == HONE_OK) status = hone_model_create(&model, "mnist", &err);
    if (status == HONE_OK) {
        hone_shape image = {3, {hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data)}};
        status = hone_model_input(model, &image, &err);
    }
    if (status == HONE_OK) status = hone_model_conv2d(model, 32, 3, "relu", &err);
    if (status == HONE_OK) status = hone_model_max_pooling2d(model, 2, &err);
    if (status == HONE_OK) status = hone_model_conv2d(model, 64, 3, "relu", &err);
    if (status == HONE_OK) status = hone_model_max_pooling2d(model, 2, &err);
    if (status == HONE_OK) status = hone_model_conv2d(model, 64, 3, "relu", &err);
    if (status == HONE_OK) status = hone_model_flatten(model, &err);
    if (status == HONE_OK) status = hone_model_dense(model, 64, "relu", &err);
    if (status == HONE_OK) status = hone_model_dense(model, (int)hone_dataset_classes(data), "softmax", &err);
    if (status == HONE_OK) status = hone_model_build(model, 1, &err);

    /* Train: Adam, sparse categorical cross-entropy, batches of 32 unless told otherwise. */
    hone_fit_config fit = hone_fit_config_default();
    fit.epochs = epochs;
    fit.threads = threads;
    fit.split = &split;
    if (status == HONE_OK) status = hone_trainer_create(&trainer, model, data, &fit, &err);
    hone_callback show = {.name = "show", .on_epoch_end = show_epoch};
    if (status == HONE_OK) status = hone_trainer_add_callback(trainer, &show, &err);
    if (status == HONE_OK) status = hone_trainer_fit(trainer, &err);

    /* Evaluate on the part that validated, and save what Keras can load. */
    hone_evaluate_config evaluate = hone_evaluate_config_default();
    evaluate.indices = split.validation;
    evaluate.index_count = split.validation_count;
    evaluate.threads = threads;
    if (status == HONE_OK) status = hone_evaluate(&result, model, data, &evaluate, &err);
    if (status == HONE_OK) status = hone_model_save(model, trainer, output, &err);
    if (status == HONE_OK)
        printf("accuracy %.4f (95 %% interval %.4f to %.4f), saved %s\n", result.accuracy, result.accuracy_low,
               result.accuracy_high, output);
    else
        fprintf(stderr, "train_mnist: %s\n", err.message);

    hone_trainer_free(trainer);
    hone_split_release(&split);
    hone_model_free(model);
    hone_dataset_free(data);
    hone_threads_free(threads);
    return status == HONE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
