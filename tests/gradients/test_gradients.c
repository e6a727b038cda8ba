/* SPDX-License-Identifier: Apache-2.0
 *
 * Every layer's gradients against finite differences, at every CPU level this machine has.
 *
 * A case is a small network around the layer in question, with something trainable below it, so that the gradient of
 * its input is checked as well as those of its weights. The loss is a random projection of the outputs plus a quadratic
 * term. The list of classes is the registry's own: a layer type without a case fails the last test. */
#include "unit/model/plan_test.h"

/* layer: whose class the case covers. */
static const struct {
    const char *layer, *network;
} cases[] = {
    {"InputLayer", "5 | Dense units=3"},
    {"Dense", "5 | Dense units=4 activation=tanh | Dense units=3"},
    {"Dense", "6 | Dense units=9 activation=relu | Dense units=3 use_bias=false"},
    {"Dense", "3,4 | Dense units=5 | Dense units=2"},
    {"Activation", "6 | Dense units=5 | Activation activation=sigmoid | Dense units=2"},
    {"Activation", "6 | Dense units=5 | Activation activation=tanh"},
    {"Activation", "6 | Dense units=5 | Activation activation=gelu | Dense units=2"},
    {"Activation", "6 | Dense units=5 | Activation activation=silu | Dense units=2"},
    {"Activation", "6 | Dense units=5 | Activation activation=softplus | Dense units=2"},
    {"Activation", "6 | Dense units=5 | Activation activation=softsign | Dense units=2"},
    {"Activation", "6 | Dense units=5 | Activation activation=selu | Dense units=2"},
    {"Activation", "6 | Dense units=5 | Activation activation=exponential | Dense units=2"},
    {"Activation", "6 | Dense units=5 | Activation activation=hard_sigmoid | Dense units=2"},
    {"Activation", "6 | Dense units=5 | Activation activation=softmax | Dense units=2"},
    {"ReLU", "6 | Dense units=5 | ReLU negative_slope=0.25 threshold=0.1 max_value=1.5 | Dense units=2"},
    {"ReLU", "6 | Dense units=5 | Flatten | ReLU max_value=0.8 | Dense units=2"},
    {"LeakyReLU", "6 | Dense units=5 | LeakyReLU | Dense units=2"},
    {"ELU", "6 | Dense units=5 | ELU | Dense units=2"},
    {"Softmax", "6 | Dense units=5 | Softmax"},
    {"Softmax", "2,6 | Dense units=5 | Softmax | Dense units=2"},
    {"Conv2D", "6,5,2 | Conv2D filters=3 kernel_size=3 | Conv2D filters=4 kernel_size=(2,3) | Flatten"},
    {"Conv2D", "6,6,3 | Conv2D filters=4 kernel_size=3 padding=same activation=relu | Conv2D filters=2 kernel_size=3"},
    {"Conv2D", "9,8,2 | Conv2D filters=4 kernel_size=1 | Conv2D filters=3 kernel_size=3 strides=2 padding=same"},
    {"Conv2D", "9,9,2 | Conv2D filters=4 kernel_size=1 | Conv2D filters=3 kernel_size=3 dilation_rate=2 padding=same"},
    {"Conv2D", "6,6,2 | Conv2D filters=4 kernel_size=1 | Conv2D filters=6 kernel_size=3 groups=2 use_bias=false"},
    {"MaxPooling2D", "9,9,2 | Conv2D filters=4 kernel_size=2 activation=relu | Conv2D filters=5 kernel_size=3 "
                     "activation=relu | MaxPooling2D | Conv2D filters=2 kernel_size=2"},
    {"MaxPooling2D", "9,8,2 | Conv2D filters=17 kernel_size=3 | MaxPooling2D | ReLU | Flatten | Dense units=3"},
    {"MaxPooling2D", "7,7,2 | Conv2D filters=3 kernel_size=2 | MaxPooling2D pool_size=3 strides=2 padding=same"},
    {"MaxPooling2D", "7,7,2 | Conv2D filters=3 kernel_size=1 activation=relu | MaxPooling2D pool_size=3 strides=1"},
    {"MaxPooling2D", "7,7,2 | Conv2D filters=3 kernel_size=1 activation=tanh | MaxPooling2D pool_size=(2,3)"},
    {"AveragePooling2D",
     "7,7,2 | Conv2D filters=3 kernel_size=2 | AveragePooling2D pool_size=3 strides=2 padding=same"},
    {"AveragePooling2D", "6,6,2 | Conv2D filters=3 kernel_size=1 | AveragePooling2D"},
    {"AdaptiveMaxPooling2D", "7,6,2 | Conv2D filters=3 kernel_size=2 | AdaptiveMaxPooling2D output_size=(4,3)"},
    {"AdaptiveMaxPooling2D", "7,9,2 | Conv2D filters=3 kernel_size=2 | AdaptiveMaxPooling2D output_size=(3,4)"},
    {"AdaptiveAveragePooling2D", "8,8,2 | Conv2D filters=3 kernel_size=2 | AdaptiveAveragePooling2D output_size=(3,5)"},
    {"Identity", "6 | Dense units=5 | Identity | Dense units=2"},
    {"SpatialDropout1D", "4,2 | Dense units=8 | SpatialDropout1D rate=0.4 | Flatten | Dense units=2"},
    {"GlobalMaxPooling2D", "5,5,2 | Conv2D filters=3 kernel_size=2 | GlobalMaxPooling2D keepdims=true"},
    {"GlobalAveragePooling2D", "5,5,2 | Conv2D filters=3 kernel_size=2 | GlobalAveragePooling2D | Dense units=2"},
    {"DepthwiseConv2D", "6,6,2 | Conv2D filters=3 kernel_size=1 | DepthwiseConv2D kernel_size=3 depth_multiplier=2"},
    {"DepthwiseConv2D", "7,7,3 | Conv2D filters=3 kernel_size=1 | DepthwiseConv2D kernel_size=3 strides=2 padding=same "
                        "activation=relu | Flatten | Dense units=2"},
    {"DepthwiseConv2D", "7,7,3 | Conv2D filters=3 kernel_size=1 | ZeroPadding2D padding=((0,1),(0,1)) | "
                        "DepthwiseConv2D kernel_size=3 strides=2"},
    {"SeparableConv2D",
     "6,6,2 | Conv2D filters=3 kernel_size=1 | SeparableConv2D filters=4 kernel_size=3 padding=same"},
    {"BatchNormalization",
     "4,4,2 | Conv2D filters=3 kernel_size=1 | BatchNormalization | Conv2D filters=2 kernel_size=2"},
    {"BatchNormalization", "5 | Dense units=4 | BatchNormalization scale=false | ReLU | Dense units=3 | "
                           "BatchNormalization center=false | Dense units=2"},
    {"BatchNormalization",
     "7,5,2 | Conv2D filters=3 kernel_size=2 | BatchNormalization | ReLU | MaxPooling2D | Flatten | "
     "Dense units=2"},
    {"BatchNormalization",
     "6,7,2 | Conv2D filters=3 kernel_size=2 | BatchNormalization | MaxPooling2D | ReLU | Flatten | "
     "Dense units=2"},
    {"BatchNormalization", "5,5,2 | Conv2D filters=3 kernel_size=1 | BatchNormalization | MaxPooling2D pool_size=1 "
                           "strides=2 | Conv2D filters=2 kernel_size=2"},
    {"BatchNormalization", "5 | BatchNormalization | Dense units=2"},
    {"BatchNormalization", "4,4,2 | Conv2D filters=3 kernel_size=1 | BatchNormalization trainable=false | Flatten | "
                           "Dense units=2"},
    {"BatchNormalization", "4,4,2 | Conv2D filters=3 kernel_size=1 | Conv2D filters=4 kernel_size=2 trainable=false | "
                           "BatchNormalization trainable=false | ReLU | Flatten | Dense units=2"},
    {"BatchNormalization", "4,4,2 | Conv2D filters=3 kernel_size=1 | DepthwiseConv2D kernel_size=2 trainable=false | "
                           "BatchNormalization trainable=false | Flatten | Dense units=3 trainable=false | "
                           "BatchNormalization trainable=false | Activation activation=tanh | Dense units=2"},
    {"LayerNormalization", "3,5 | Dense units=4 | LayerNormalization | Dense units=2"},
    {"LayerNormalization", "6 | LayerNormalization scale=false | Dense units=2"},
    {"LayerNormalization", "6 | Dense units=5 | LayerNormalization center=false scale=false | Dense units=2"},
    {"Dropout", "6 | Dense units=16 | Dropout rate=0.4 | Dense units=3"},
    {"SpatialDropout2D",
     "4,4,2 | Conv2D filters=8 kernel_size=1 | SpatialDropout2D rate=0.4 | Flatten | Dense units=2"},
    {"GaussianNoise", "6 | Dense units=16 | GaussianNoise stddev=0.5 | Dense units=3 activation=tanh"},
    {"GaussianDropout", "6 | Dense units=16 | GaussianDropout rate=0.3 | Dense units=3 activation=tanh"},
    {"AlphaDropout", "6 | Dense units=16 activation=selu | AlphaDropout rate=0.3 | Dense units=3"},
    {"AlphaDropout", "3,4 | Dense units=6 | AlphaDropout rate=0.3 noise_shape=(none,1,none) | Dense units=3"},
    {"ActivityRegularization",
     "6 | Dense units=5 activation=tanh | ActivityRegularization l1=0.3 l2=0.2 | Dense units=3"},
    {"Conv2D",
     "5,5,2 | Conv2D filters=3 kernel_size=3 activation=relu activity_regularizer=l2 | MaxPooling2D | Flatten | "
     "Dense units=2 activity_regularizer=l1"},
    {"RMSNormalization", "3,6 | Dense units=5 | RMSNormalization epsilon=0.01 | Dense units=3"},
    {"UnitNormalization", "6 | Dense units=5 | UnitNormalization | Dense units=3"},
    {"UnitNormalization", "3,4,2 | Conv2D filters=3 kernel_size=2 | UnitNormalization axis=(1,3) | Flatten | Dense "
                          "units=3"},
    {"Softmax", "3,4,2 | Conv2D filters=3 kernel_size=2 | Softmax axis=(1,2) | Flatten | Dense units=3"},
    {"Softmax", "3,4,2 | Conv2D filters=3 kernel_size=2 | Softmax axis=1 | Flatten | Dense units=3"},
    {"Conv2DTranspose", "4,3,2 | Conv2D filters=3 kernel_size=1 | Conv2DTranspose filters=2 kernel_size=3 strides=2 "
                        "padding=same output_padding=(0,1)"},
    {"Conv2DTranspose", "4,3,2 | Conv2D filters=3 kernel_size=1 | Conv2DTranspose filters=2 kernel_size=(3,2) "
                        "strides=3 output_padding=(2,1)"},
    {"Resizing", "5,4,2 | Conv2D filters=3 kernel_size=1 | Resizing height=3 width=7 interpolation=bicubic "
                 "pad_to_aspect_ratio=true | Flatten | Dense units=2"},
    {"Resizing", "9,8,2 | Conv2D filters=3 kernel_size=1 | Resizing height=3 width=5 interpolation=lanczos3 "
                 "antialias=true | Flatten | Dense units=2"},
    {"Flatten", "2,3,2 | Dense units=2 | Flatten | Dense units=2"},
    {"Reshape", "12 | Dense units=12 | Reshape target_shape=(2,-1,3) | Conv2D filters=2 kernel_size=2"},
    {"ZeroPadding2D", "5,4,2 | Conv2D filters=3 kernel_size=1 | ZeroPadding2D padding=((1,2),(0,3)) | Conv2D filters=2 "
                      "kernel_size=3"},
    {"ZeroPadding2D", "5,4,2 | Conv2D filters=3 kernel_size=1 | ZeroPadding2D padding=((1,2),(0,3)) | MaxPooling2D | "
                      "Flatten | Dense units=3"},
    {"Add",
     "5,4,2 | Conv2D filters=3 kernel_size=1 name=a | Conv2D filters=3 kernel_size=3 padding=same name=b | Add @a "
     "@b | ReLU | Flatten | Dense units=2"},
    {"Add", "5 | Dense units=4 name=a | Dense units=4 activation=tanh name=b | Add @a @b @a @b @a @b @a @b "
            "@a | Dense units=2"},
    {"Add", "3,4,2 | Conv2D filters=3 kernel_size=1 name=a | GlobalAveragePooling2D name=b | Add @b @a | Flatten"},
    {"Add", "4 | Dense units=4 name=a | Activation activation=tanh | =a | Add @a @a:1"},
    {"Subtract", "5 | Dense units=4 name=a | Dense units=4 activation=tanh name=b | Subtract @a @b"},
    {"Subtract",
     "3,4,2 | Conv2D filters=3 kernel_size=1 name=a | GlobalAveragePooling2D keepdims=true name=b | Subtract "
     "@a @b | Flatten"},
    {"Multiply", "5 | Dense units=4 name=a | Dense units=4 activation=tanh name=b | Multiply @a @b @a"},
    {"Multiply",
     "3,4,2 | Conv2D filters=3 kernel_size=1 name=a | GlobalAveragePooling2D keepdims=true | Conv2D filters=3 "
     "kernel_size=1 activation=sigmoid name=b | Multiply @a @b | Flatten | Dense units=2"},
    {"Average", "5 | Dense units=4 name=a | Dense units=4 activation=tanh name=b | Average @a @b @b"},
    {"Maximum", "5 | Dense units=4 name=a | Dense units=4 activation=tanh name=b | Maximum @a @b | Dense units=2"},
    {"Minimum", "5 | Dense units=4 name=a | Dense units=4 activation=tanh name=b | Minimum @a @b | Dense units=2"},
    {"Conv2DTranspose", "4,3,2 | Conv2D filters=3 kernel_size=1 | Conv2DTranspose filters=4 kernel_size=3 strides=2 "
                        "activation=tanh | Flatten | Dense units=2"},
    {"Conv2DTranspose", "4,3,2 | Conv2D filters=3 kernel_size=1 | Conv2DTranspose filters=2 kernel_size=(2,3) "
                        "strides=(2,1) padding=same use_bias=false"},
    {"Conv2DTranspose",
     "4,4,2 | Conv2D filters=3 kernel_size=1 | Conv2DTranspose filters=17 kernel_size=3 padding=same | "
     "Flatten | Dense units=2"},
    {"GlobalMaxPooling1D", "5,4 | Dense units=3 | GlobalMaxPooling1D"},
    {"GlobalAveragePooling1D", "5,4 | Dense units=3 | GlobalAveragePooling1D keepdims=true | Dense units=2"},
    {"GroupNormalization",
     "4,3,2 | Conv2D filters=6 kernel_size=1 | GroupNormalization groups=2 | Flatten | Dense units=2"},
    {"GroupNormalization", "5 | Dense units=6 | GroupNormalization groups=3 scale=false | Dense units=2"},
    {"GroupNormalization",
     "4,3,2 | Conv2D filters=4 kernel_size=1 | GroupNormalization groups=-1 center=false | Flatten"},
    {"PReLU", "4,3,2 | Conv2D filters=3 kernel_size=1 | PReLU | Flatten | Dense units=2"},
    {"PReLU",
     "4,3,2 | Conv2D filters=3 kernel_size=1 | PReLU shared_axes=(1,2) alpha_initializer=ones | Flatten | Dense "
     "units=2"},
    {"Permute", "4,3,2 | Conv2D filters=3 kernel_size=1 | Permute dims=(3,1,2) | Conv2D filters=2 kernel_size=2"},
    {"RepeatVector", "4 | Dense units=3 | RepeatVector n=3 | Dense units=2"},
    {"Cropping2D",
     "5,4,2 | Conv2D filters=3 kernel_size=1 | Cropping2D cropping=((1,0),(0,2)) | Flatten | Dense units=2"},
    {"UpSampling2D",
     "3,4,2 | Conv2D filters=3 kernel_size=1 | UpSampling2D size=(2,3) | Conv2D filters=2 kernel_size=3"},
    {"UpSampling2D", "3,4,2 | Conv2D filters=3 kernel_size=1 | UpSampling2D interpolation=bilinear | Conv2D filters=2 "
                     "kernel_size=3"},
    {"Normalization", "4,4,2 | Conv2D filters=3 kernel_size=1 | Normalization mean=0.25 variance=2 | Flatten | Dense "
                      "units=2"},
    {"Normalization", "4,4,2 | Conv2D filters=3 kernel_size=1 | Normalization | Flatten | Dense units=2"},
    {"Resizing", "5,4,2 | Conv2D filters=3 kernel_size=1 | Resizing height=3 width=7 | Flatten | Dense units=2"},
    {"Resizing", "5,4,2 | Conv2D filters=3 kernel_size=1 | Resizing height=4 width=2 interpolation=nearest "
                 "crop_to_aspect_ratio=true | Flatten | Dense units=2"},
    {"CenterCrop", "5,4,2 | Conv2D filters=3 kernel_size=1 | CenterCrop height=3 width=3 | Flatten | Dense units=2"},
    {"CenterCrop", "5,4,2 | Conv2D filters=3 kernel_size=1 | CenterCrop height=6 width=3 | Flatten | Dense units=2"},
    {"MultiHeadAttention",
     "5,4 | Dense units=6 name=a | MultiHeadAttention num_heads=2 key_dim=3 @a @a | Dense units=2"},
    {"MultiHeadAttention",
     "5,4 | Dense units=6 name=a | Dense units=3 name=b | Dense units=4 name=c | MultiHeadAttention "
     "num_heads=3 key_dim=2 value_dim=4 use_bias=false dropout=0.25 @a @b @c | Flatten"},
    {"Embedding", "4 | Embedding input_dim=3 output_dim=5 | Dense units=2"},
    {"LayerScale",
     "4,3,2 | Conv2D filters=3 kernel_size=1 | LayerScale init_values=0.5 projection_dim=3 | Flatten | Dense "
     "units=2"},
    {"StochasticDepth",
     "4,3,2 | Conv2D filters=3 kernel_size=1 name=a | Conv2D filters=3 kernel_size=1 | StochasticDepth "
     "drop_path_rate=0.4 name=b | Add @a @b | Flatten | Dense units=2"},
    {"CustomScaleLayer", "4,3,2 | Conv2D filters=3 kernel_size=1 name=a | Conv2D filters=3 kernel_size=1 name=b | "
                         "CustomScaleLayer scale=0.25 @a @b | ReLU | Flatten | Dense units=2"},
    {"Concatenate",
     "4,4,2 | Conv2D filters=3 kernel_size=1 name=a | Conv2D filters=2 kernel_size=3 padding=same name=b | "
     "Concatenate @a @b @a | Conv2D filters=2 kernel_size=2"},
    {"Concatenate",
     "4,4,2 | Conv2D filters=3 kernel_size=1 name=a | Conv2D filters=3 kernel_size=3 padding=same name=b | "
     "Concatenate axis=1 @a @b | Conv2D filters=2 kernel_size=2"},
    {"Concatenate",
     "5 | Dense units=4 name=a | Dense units=2 activation=tanh name=b | Concatenate @a @b @a @b @a @b @a @b "
     "@a @b | Dense units=2"},
    {"BatchNormalization",
     "4,4,2 | Conv2D filters=3 kernel_size=1 name=a | BatchNormalization | ReLU | Conv2D filters=3 "
     "kernel_size=3 padding=same | BatchNormalization name=b | Add @a @b | ReLU | Flatten"},
    {"RandomFlip", "4,4,2 | RandomFlip mode=vertical | Conv2D filters=3 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomRotation", "5,4,2 | RandomRotation factor=0.3 | Conv2D filters=3 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomTranslation", "4,4,2 | RandomTranslation height_factor=0.3 width_factor=0.2 | Conv2D filters=3 "
                          "kernel_size=2 | Flatten | Dense units=2"},
    {"RandomZoom", "4,5,2 | RandomZoom height_factor=0.3 | Conv2D filters=3 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomContrast", "4,4,2 | RandomContrast factor=0.3 | Conv2D filters=3 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomBrightness",
     "4,4,2 | RandomBrightness factor=0.3 | Conv2D filters=3 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomCrop", "6,5,2 | RandomCrop height=4 width=3 | Conv2D filters=3 kernel_size=2 | Flatten | Dense units=2"},
    {"Matmul", "3,4 | Dense units=5 name=a | Permute dims=(2,1) name=b | Matmul @a @b | Dense units=2"},
    {"Matmul",
     "2,3,4 | Dense units=5 name=a | Reshape target_shape=(1,5,6) name=b | Matmul @a @b | Dense units=2 | Flatten"},
    {"Divide",
     "4,3 | Dense units=3 activation=sigmoid name=a | Dense units=3 activation=exponential name=b | Divide @a "
     "@b | Dense units=2"},
    {"Sqrt", "4,3 | Dense units=3 activation=exponential | Sqrt | Dense units=2"},
    {"RandomShear", "5,4,3 | RandomShear x_factor=0.2 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomPerspective",
     "5,4,3 | RandomPerspective scale=0.3 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomElasticTransform",
     "5,4,3 | RandomElasticTransform scale=0.4 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomHue", "5,4,3 | RandomHue factor=0.3 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomSaturation",
     "5,4,3 | RandomSaturation factor=0.3 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomColorDegeneration",
     "5,4,3 | RandomColorDegeneration factor=0.5 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomGrayscale",
     "5,4,3 | RandomGrayscale factor=0.5 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomInvert",
     "5,4,3 | RandomInvert value_range=(0,1) | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomPosterization", "5,4,3 | RandomPosterization factor=4 value_range=(-3,3) | Conv2D filters=2 kernel_size=2 "
                            "| Flatten | Dense units=2"},
    {"RandomSharpness",
     "5,4,3 | RandomSharpness factor=0.4 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"Solarization", "5,4,3 | Solarization value_range=(-1,1) addition_factor=0.1 | Conv2D filters=2 kernel_size=2 | "
                     "Flatten | Dense units=2"},
    {"RandomErasing", "5,4,3 | RandomErasing factor=0.5 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomGaussianBlur",
     "5,4,3 | RandomGaussianBlur factor=0.5 | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"Equalization",
     "5,4,3 | Equalization bins=8 value_range=(-1,1) | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"AutoContrast",
     "5,4,3 | AutoContrast value_range=(-1,1) | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"RandomColorJitter",
     "5,4,3 | RandomColorJitter brightness_factor=0.1 contrast_factor=0.2 saturation_factor=0.3 hue_factor=0.1 "
     "value_range=(-1,1) | Conv2D filters=2 kernel_size=2 | Flatten | Dense units=2"},
    {"Rescaling", "4,4,2 | Conv2D filters=3 kernel_size=1 | Rescaling scale=0.5 offset=0.25 | Flatten | Dense units=2"},
};

enum { CASES = sizeof cases / sizeof *cases, SAMPLES = 11, CHECKS_PER_WEIGHT = 12 };

typedef struct setup {
    hone_model *model;
    hone_plan *plan;
    pt_loss loss;
    float *x;
} setup;

static double loss_at(setup *s, size_t i, float value) {
    float before = s->model->data[i];
    s->model->data[i] = value;
    hone__plan_step_float(s->plan, s->x, SAMPLES, 5, pt_loss_function, &s->loss);
    s->model->data[i] = before;
    return pt_loss_value(&s->loss) + hone__plan_activity_loss(s->plan);
}

/* Central difference with a step of size h. */
static double difference(setup *s, size_t i, double h) {
    float w = s->model->data[i], up = (float)(w + h), down = (float)(w - h);
    return (loss_at(s, i, up) - loss_at(s, i, down)) / ((double)up - (double)down);
}

/* Checks some elements of one weight. Kinks (relu, max) between the two points show as disagreement of two step sizes:
 * a little of it widens the tolerance, and elements with much of it are passed over, but most must remain. */
static void check_weight(setup *s, const hone__weight *weight, const float *gradient, double scale, const char *what) {
    size_t count = weight->size < CHECKS_PER_WEIGHT ? weight->size : CHECKS_PER_WEIGHT, passed_over = 0;
    for (size_t k = 0; k < count; k++) {
        size_t i = weight->offset + k * weight->size / count;
        double coarse = difference(s, i, 2e-3), fine = difference(s, i, 1e-3);
        double tolerance = 5e-3 * scale + 2e-3 * fabs(fine) + 3 * fabs(coarse - fine);
        if (fabs(coarse - fine) > 5e-3 * scale + 5e-3 * fabs(fine)) {
            passed_over++;
            continue;
        }
        if (fabs(gradient[i] - fine) > tolerance)
            fail_msg("%s: %s %s [%zu]: gradient %g, difference %g (%g)", what, s->model->layers[weight->layer]->name,
                     weight->name, i - weight->offset, (double)gradient[i], fine, coarse);
    }
    if (2 * passed_over > count)
        fail_msg("%s: %s: %zu of %zu elements at a kink", what, weight->name, passed_over, count);
}

static void check_case(size_t index, const hone_kernels *kernels) {
    setup s = {.model = pt_model(cases[index].network)};
    hone_plan_config config = hone_plan_config_default();
    config.training = true;
    config.max_batch = SAMPLES;
    config.seed = 3;
    s.plan = pt_plan(s.model, &config, kernels);
    s.loss = pt_loss_init(s.plan, SAMPLES);
    s.x = pt_numbers(SAMPLES * pt_input_size(s.model), 2);
    hone__plan_step_float(s.plan, s.x, SAMPLES, 5, pt_loss_function, &s.loss);
    assert_true(hone__plan_shards(s.plan) > 1);

    size_t size = s.model->data_size;
    float *gradient = hone__alloc(size, sizeof *gradient);
    assert_non_null(gradient);
    double squares = 0, trained = 0;
    for (size_t w = 0; w < s.model->weight_count; w++) {
        const hone__weight *weight = &s.model->weights[w];
        for (size_t i = weight->offset; i < weight->offset + weight->size; i++) {
            gradient[i] = (float)pt_gradient(s.plan, i);
            if (!hone__weight_trainable(s.model, w)) {
                assert_true(gradient[i] == 0);
                continue;
            }
            squares += (double)gradient[i] * gradient[i];
            trained++;
        }
    }
    double scale = sqrt(squares / trained);
    assert_true(scale > 1e-3);
    for (size_t w = 0; w < s.model->weight_count; w++)
        if (hone__weight_trainable(s.model, w))
            check_weight(&s, &s.model->weights[w], gradient, scale, cases[index].network);
    hone__free(gradient);
    hone__free(s.x);
    pt_loss_release(&s.loss);
    hone_plan_free(s.plan);
    hone_model_free(s.model);
}

static void check_level(const char *name) {
    const hone_kernels *kernels = hone__kernels_named(name);
    if (!kernels) skip();
    for (size_t i = 0; i < CASES; i++) check_case(i, kernels);
}

static void test_scalar(void **state) {
    (void)state;
    check_level("scalar");
}

static void test_avx2(void **state) {
    (void)state;
    check_level("avx2");
}

static void test_avx512(void **state) {
    (void)state;
    check_level("avx512");
}

static void test_neon(void **state) {
    (void)state;
    check_level("neon");
}

static void test_every_layer_type_has_a_case(void **state) {
    (void)state;
    const hone__layer_type *type;
    for (size_t i = 0; (type = hone__layer_type_at(i)) != NULL; i++) {
        bool covered = false;
        for (size_t k = 0; k < CASES; k++) covered |= strcmp(cases[k].layer, type->class_name) == 0;
        if (!covered) fail_msg("layer type '%s' has no case here", type->class_name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalar),
        cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_avx512),
        cmocka_unit_test(test_neon),
        cmocka_unit_test(test_every_layer_type_has_a_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
