/* SPDX-License-Identifier: Apache-2.0
 *
 * From reset to main on a Cortex-M, and back: memory as C expects it, the floating-point unit on, and main's answer as the
 * exit status of the emulator, by semihosting. For tests alone. */
#include <stdint.h>

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];
int main(void);
void reset(void);
#ifdef WITH_STDIO
void initialise_monitor_handles(void); /* of newlib's librdimon: stdin, stdout and stderr are the emulator's */
#endif

static void __attribute__((noreturn)) stop(int status) {
    const uint32_t reason[2] = {0x20026, (uint32_t)status}; /* the application has ended, with this status */
    register uint32_t operation __asm__("r0") = 0x20;       /* SYS_EXIT_EXTENDED */
    register const uint32_t *argument __asm__("r1") = reason;
    __asm__ volatile("bkpt 0xAB" : : "r"(operation), "r"(argument) : "memory");
    for (;;) {
    }
}

static void fault(void) {
    stop(99);
}

void reset(void) {
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: full access to coprocessors 10 and 11 */
    __asm__ volatile("dsb\n isb" : : : "memory");
#endif
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) *to = *from++;
    for (uint32_t *to = bss_start; to < bss_end; to++) *to = 0;
#ifdef WITH_STDIO
    initialise_monitor_handles();
#endif
    stop(main());
}

/* The first entry is the stack; then reset and the processor's own exceptions. */
static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    stack_top,
    {reset, fault, fault, fault, fault, fault},
};
