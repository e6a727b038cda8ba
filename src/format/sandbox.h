/* SPDX-License-Identifier: Apache-2.0
 *
 * A process of its own for code that reads what strangers wrote: little memory, little time, and on Linux no system calls
 * but those that computing takes, so that whoever takes it over has gained nothing.
 *
 * It is a fork, so it starts with everything that its parent has in memory, and talks over one socket. Its parent believes
 * no word of it unchecked. */
#ifndef HONE_SANDBOX_H
#define HONE_SANDBOX_H

#include <hone/status.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct hone__sandbox hone__sandbox;

/* What runs in the child; its process ends when it returns. */
typedef void (*hone__sandbox_function)(int channel, void *context);

/* A fork copies what other threads hold at that moment. The C library puts its allocator right in the child;
 * AddressSanitizer's stays locked there for good. So under it: whether this thread is the only one. */
bool hone__sandbox_is_safe(void);
/* memory: bytes that the child may take beside what it is born with. */
hone_status hone__sandbox_start(hone__sandbox **out, hone__sandbox_function function, void *context, size_t memory,
                                hone_error *err);
/* Ends the child, whatever it is doing. NULL is fine. */
void hone__sandbox_stop(hone__sandbox *sandbox);

/* The parent's side. Both fail with words on what became of the child: crashed, out of time, gone. */
hone_status hone__sandbox_send(hone__sandbox *sandbox, const void *bytes, size_t size, hone_error *err);
hone_status hone__sandbox_receive(hone__sandbox *sandbox, void *bytes, size_t size, hone_error *err);

/* The child's side; false: the parent is gone. */
bool hone__channel_read(int channel, void *bytes, size_t size);
bool hone__channel_write(int channel, const void *bytes, size_t size);

#endif
