/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of named data sets. Checksums are the authors' or those that TensorFlow Datasets publishes; where only
 * the packed file's is known (`published`), the unpacked contents are still checked by header, size and full decode. */
#include "sources.h"

#include <hone/data.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const digit_names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const char *const fashion_names[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                            "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
static const char *const kmnist_names[] = {"お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を"};
static const char *const letter_names[] = {"A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M",
                                           "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z"};
/* Capitals and small letters of one shape (C and c, …) are one class; 11 small letters look different. */
static const char *const balanced_names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B",
                                             "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N",
                                             "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z",
                                             "a", "b", "d", "e", "f", "g", "h", "n", "q", "r", "t"};
static const char *const cifar10_names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                            "dog",      "frog",       "horse", "ship", "truck"};

static const hone__source_file mnist_files[] = {
    {"train-images-idx3-ubyte.gz", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", NULL, 60000},
    {"train-labels-idx1-ubyte.gz", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", NULL, 60000},
    {"t10k-images-idx3-ubyte.gz", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", NULL, 10000},
    {"t10k-labels-idx1-ubyte.gz", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", NULL, 10000}};
static const char *const mnist_mirrors[] = {"https://ossci-datasets.s3.amazonaws.com/mnist/",
                                            "https://storage.googleapis.com/cvdf-datasets/mnist/",
                                            "http://yann.lecun.com/exdb/mnist/", NULL};

static const hone__source_file fashion_files[] = {
    {"train-images-idx3-ubyte.gz", NULL, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 60000},
    {"train-labels-idx1-ubyte.gz", NULL, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 60000},
    {"t10k-images-idx3-ubyte.gz", NULL, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 10000},
    {"t10k-labels-idx1-ubyte.gz", NULL, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 10000}};
static const char *const fashion_mirrors[] = {
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", NULL};

static const hone__source_file kmnist_files[] = {
    {"train-images-idx3-ubyte.gz", NULL, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4", 60000},
    {"train-labels-idx1-ubyte.gz", NULL, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17", 60000},
    {"t10k-images-idx3-ubyte.gz", NULL, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5", 10000},
    {"t10k-labels-idx1-ubyte.gz", NULL, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c", 10000}};
static const char *const kmnist_mirrors[] = {"https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
                                             "http://codh.rois.ac.jp/kmnist/dataset/kmnist/", NULL};

static const hone__source_archive emnist_archive = {
    "gzip.zip", "emnist-gzip.zip", "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e", "gzip/"};
static const char *const emnist_mirrors[] = {"https://biometrics.nist.gov/cs_links/EMNIST/",
                                             "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/", NULL};
static const hone__source_file emnist_digits_files[] = {
    {"emnist-digits-train-images-idx3-ubyte.gz", NULL, NULL, 240000},
    {"emnist-digits-train-labels-idx1-ubyte.gz", NULL, NULL, 240000},
    {"emnist-digits-test-images-idx3-ubyte.gz", NULL, NULL, 40000},
    {"emnist-digits-test-labels-idx1-ubyte.gz", NULL, NULL, 40000}};
static const hone__source_file emnist_letters_files[] = {
    {"emnist-letters-train-images-idx3-ubyte.gz", NULL, NULL, 124800},
    {"emnist-letters-train-labels-idx1-ubyte.gz", NULL, NULL, 124800},
    {"emnist-letters-test-images-idx3-ubyte.gz", NULL, NULL, 20800},
    {"emnist-letters-test-labels-idx1-ubyte.gz", NULL, NULL, 20800}};
static const hone__source_file emnist_balanced_files[] = {
    {"emnist-balanced-train-images-idx3-ubyte.gz", NULL, NULL, 112800},
    {"emnist-balanced-train-labels-idx1-ubyte.gz", NULL, NULL, 112800},
    {"emnist-balanced-test-images-idx3-ubyte.gz", NULL, NULL, 18800},
    {"emnist-balanced-test-labels-idx1-ubyte.gz", NULL, NULL, 18800}};

static const hone__source_file qmnist_files[] = {{"qmnist-train-images-idx3-ubyte.gz", NULL, NULL, 60000},
                                                 {"qmnist-train-labels-idx2-int.gz", NULL, NULL, 60000},
                                                 {"qmnist-test-images-idx3-ubyte.gz", NULL, NULL, 60000},
                                                 {"qmnist-test-labels-idx2-int.gz", NULL, NULL, 60000}};
static const char *const qmnist_mirrors[] = {"https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
                                             "https://github.com/facebookresearch/qmnist/raw/master/", NULL};

static const hone__source_file cifar10_files[] = {
    {"cifar-10-binary.tar.gz", NULL, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 0}};
static const char *const cifar10_mirrors[] = {"https://www.cs.toronto.edu/~kriz/", "http://www.cs.toronto.edu/~kriz/",
                                              NULL};

#define EMNIST_CITATION "Cohen, Afshar, Tapson, van Schaik: EMNIST: an extension of MNIST to handwritten letters, 2017"
#define EMNIST_HOME     "https://www.nist.gov/itl/products-and-services/emnist-dataset"
#define EMNIST_LICENCE  "public domain (NIST, United States government work)"

static const hone__source sources[] = {
    {.name = "mnist",
     .title = "MNIST, handwritten digits",
     .licence = "CC BY-SA 3.0",
     .homepage = "http://yann.lecun.com/exdb/mnist/",
     .citation = "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998",
     .class_names = digit_names,
     .classes = COUNT(digit_names),
     .files = mnist_files,
     .file_count = COUNT(mnist_files),
     .mirrors = mnist_mirrors},
    {.name = "fashion-mnist",
     .title = "Fashion-MNIST, photographs of clothes",
     .licence = "MIT",
     .homepage = "https://github.com/zalandoresearch/fashion-mnist",
     .citation = "Xiao, Rasul, Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking, 2017",
     .class_names = fashion_names,
     .classes = COUNT(fashion_names),
     .files = fashion_files,
     .file_count = COUNT(fashion_files),
     .mirrors = fashion_mirrors},
    {.name = "kmnist",
     .title = "Kuzushiji-MNIST, cursive Japanese characters",
     .licence = "CC BY-SA 4.0",
     .homepage = "http://codh.rois.ac.jp/kmnist/",
     .citation = "Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha: Deep learning for classical Japanese "
                 "literature, 2018",
     .class_names = kmnist_names,
     .classes = COUNT(kmnist_names),
     .files = kmnist_files,
     .file_count = COUNT(kmnist_files),
     .mirrors = kmnist_mirrors},
    {.name = "emnist-digits",
     .title = "EMNIST Digits, 280,000 handwritten digits",
     .licence = EMNIST_LICENCE,
     .homepage = EMNIST_HOME,
     .citation = EMNIST_CITATION,
     .class_names = digit_names,
     .classes = COUNT(digit_names),
     .transposed = true,
     .files = emnist_digits_files,
     .file_count = COUNT(emnist_digits_files),
     .archive = &emnist_archive,
     .mirrors = emnist_mirrors},
    {.name = "emnist-letters",
     .title = "EMNIST Letters, handwritten letters, capitals and small ones as one",
     .licence = EMNIST_LICENCE,
     .homepage = EMNIST_HOME,
     .citation = EMNIST_CITATION,
     .class_names = letter_names,
     .classes = COUNT(letter_names),
     .transposed = true,
     .first_label = 1,
     .files = emnist_letters_files,
     .file_count = COUNT(emnist_letters_files),
     .archive = &emnist_archive,
     .mirrors = emnist_mirrors},
    {.name = "emnist-balanced",
     .title = "EMNIST Balanced, handwritten digits and letters",
     .licence = EMNIST_LICENCE,
     .homepage = EMNIST_HOME,
     .citation = EMNIST_CITATION,
     .class_names = balanced_names,
     .classes = COUNT(balanced_names),
     .transposed = true,
     .files = emnist_balanced_files,
     .file_count = COUNT(emnist_balanced_files),
     .archive = &emnist_archive,
     .mirrors = emnist_mirrors},
    {.name = "qmnist",
     .title = "QMNIST, MNIST rebuilt from the NIST forms with 60,000 test digits",
     .licence = "BSD-style (Facebook, Inc.)",
     .homepage = "https://github.com/facebookresearch/qmnist",
     .citation = "Yadav, Bottou: Cold case: the lost MNIST digits, 2019",
     .class_names = digit_names,
     .classes = COUNT(digit_names),
     .files = qmnist_files,
     .file_count = COUNT(qmnist_files),
     .mirrors = qmnist_mirrors},
    {.name = "cifar10",
     .title = "CIFAR-10, small colour photographs of ten kinds of things",
     .licence = "not stated by the authors; free for research",
     .homepage = "https://www.cs.toronto.edu/~kriz/cifar.html",
     .citation = "Krizhevsky: Learning multiple layers of features from tiny images, 2009",
     .class_names = cifar10_names,
     .classes = COUNT(cifar10_names),
     .files = cifar10_files,
     .file_count = COUNT(cifar10_files),
     .mirrors = cifar10_mirrors}};

const hone__source *hone__source_find(const char *name) {
    for (size_t i = 0; i < COUNT(sources); i++)
        if (strcmp(sources[i].name, name) == 0) return &sources[i];
    return NULL;
}

const char *hone_collect_name(size_t index) {
    return index < COUNT(sources) ? sources[index].name : NULL;
}

const char *hone_collect_title(size_t index) {
    return index < COUNT(sources) ? sources[index].title : NULL;
}
