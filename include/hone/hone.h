/* SPDX-License-Identifier: Apache-2.0
 *
 * hone: from a pile of pictures to an image classifier, in C.
 *
 * The headers in reading order:
 *   status.h   status codes, errors with words, allocator, log
 *   threads.h  the pool of workers that everything shares
 *   value.h    trees of plain values (configurations, records)
 *   data.h     images, data sets, splits, the built-in digits, named data sets
 *   catalog.h  what is known of each picture of a folder: labels, history, scores; scanning, tables in and out
 *   augment.h  more pictures from the same ones
 *   model.h    layers in Keras' words, weights, plans that run them
 *   train.h    losses, optimizers, callbacks, fit, evaluate
 *   finetune.h a trained network taught other classes
 *   format.h   Keras files and JSON
 *   onnx.h     models for other runtimes
 *   quantize.h models in 8-bit integers
 *   export.h   models as C source
 *   evaluate.h scores, calibration, robustness, comparison of models, and a page that shows them
 *   anomaly.h  "none of the above": strange pictures told from known ones
 *   explain.h  where in the picture an answer comes from, nearest training pictures
 *   teach.h    a trained network shown a picture and told what it is
 *   search.h   which learning rate suits a network, which network the data
 *   runs.h     what every training leaves behind
 *   clean.h    what is probably wrong with a data set
 *   label.h    a web page on which people label pictures, helped by a model
 *   serve.h    models over HTTP, in the protocols that clients already speak
 *   live.h     a web page that shows a training while it runs
 *   bind.h     hone for other languages: no struct crosses
 *   bench.h    what the machine could do, and where a model's time goes
 *
 * Train the article's network on MNIST:
 *
 *     hone_dataset *data;
 *     hone_model *model;
 *     hone_trainer *trainer;
 *     hone_error err;
 *     hone_shape shape = {3, {28, 28, 1}};
 *     if (hone_dataset_open(&data, "mnist", NULL, &err)) …
 *     if (hone_model_preset(&model, "mnist-cnn", &shape, 10, &err)) …
 *     if (hone_model_build(model, 1, &err)) …
 *     if (hone_trainer_create(&trainer, model, data, NULL, &err)) …
 *     if (hone_trainer_fit(trainer, &err)) …
 *     if (hone_model_save(model, trainer, "mnist_model.h5", &err)) …
 *
 * examples/train_mnist.c is the whole program. */
#ifndef HONE_HONE_H
#define HONE_HONE_H

#include <hone/status.h>
#include <hone/threads.h>
#include <hone/value.h>
#include <hone/data.h>
#include <hone/catalog.h>
#include <hone/augment.h>
#include <hone/model.h>
#include <hone/train.h>
#include <hone/finetune.h>
#include <hone/format.h>
#include <hone/onnx.h>
#include <hone/quantize.h>
#include <hone/export.h>
#include <hone/evaluate.h>
#include <hone/anomaly.h>
#include <hone/explain.h>
#include <hone/teach.h>
#include <hone/search.h>
#include <hone/runs.h>
#include <hone/clean.h>
#include <hone/label.h>
#include <hone/serve.h>
#include <hone/live.h>
#include <hone/bind.h>
#include <hone/bench.h>

#endif
