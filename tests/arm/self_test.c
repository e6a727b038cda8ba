/* SPDX-License-Identifier: Apache-2.0
 *
 * A program for a machine with little memory: the self-test of tiny.c, and nothing else. */
#include "tiny.h"

int main(void) {
    return tiny_self_test();
}
