/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include "../../test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static hone__report *start(void) {
    hone__report *r;
    assert_int_equal(hone__report_create(&r, "a <b> & 'c'", NULL, NULL), HONE_OK);
    return r;
}

static void test_text_is_escaped(void **state) {
    (void)state;
    hone__report *r = start();
    hone__report_section(r, "one", "cats & <dogs>");
    hone__report_paragraph(r, "%s", "<script>alert(\"x\")</script>'");
    const char *const heads[] = {"<name>", ">n"};
    hone__report_table_begin(r, heads, 2);
    hone__report_cell(r, "a<b");
    hone__report_cell(r, "%d", 3);
    hone__report_table_end(r);
    const char *text = hone__report_text(r);
    assert_null(strstr(text, "<script"));
    assert_non_null(strstr(text, "cats &amp; &lt;dogs&gt;"));
    assert_non_null(strstr(text, "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;"));
    assert_non_null(strstr(text, "<td>a&lt;b</td><td class=\"n\">3</td></tr>"));
    hone__report_free(r);
}

static void test_numbers_have_dots(void **state) {
    (void)state;
    char b[48];
    assert_string_equal(hone__report_number(b, 1.25, 1), "1.3");
    assert_string_equal(hone__report_number(b, -0.004, 2), "0.00");
    assert_string_equal(hone__report_number(b, -2.5, 3), "-2.500");
    assert_string_equal(hone__report_number(b, 1234567, 0), "1234567");
    assert_string_equal(hone__report_number(b, NAN, 2), "–");
}

static void test_pictures_are_inside(void **state) {
    (void)state;
    unsigned char pixels[12] = {0, 50, 100, 150, 200, 250, 1, 2, 3, 4, 5, 6};
    hone_image image = {2, 2, 3, pixels};
    hone__report *r = start();
    hone__report_card card = {.picture = &image, .side = 100, .title = "t", .detail = "d"};
    hone__report_add_card(r, &card);
    card.picture = NULL;
    hone__report_add_card(r, &card);
    const char *text = hone__report_text(r);
    const char *data = strstr(text, "src=\"data:image/png;base64,iVBORw0KGgo");
    assert_non_null(data);
    /* base64 of whole bytes: a multiple of four digits */
    data = strchr(data, ',') + 1;
    assert_int_equal(strcspn(data, "\"") % 4, 0);
    assert_non_null(strstr(text, "no picture"));
    hone__report_free(r);
}

static void test_charts(void **state) {
    (void)state;
    hone__report *r = start();
    const char *const labels[] = {"a", "a very long name of a class that is cut <somewhere>"};
    const double values[] = {3, 0}, gaps[] = {1, NAN, 2}, none[] = {NAN, NAN, NAN};
    const hone__report_series series[] = {{"loss", gaps}}, empty[] = {{"loss", none}};
    const uint64_t counts[] = {5, 0, 2, 7};
    hone__report_bars(r, "bars", labels, values, 2, 0);
    hone__report_lines(r, "lines", "epoch", 1, series, 1, 3);
    hone__report_lines(r, "no lines", "epoch", 1, empty, 1, 3);
    hone__report_matrix(r, "given", "suggested", labels, 2, counts);
    const char *text = hone__report_text(r);
    assert_non_null(strstr(text, "<svg"));
    assert_non_null(strstr(text, "nothing to draw"));
    assert_non_null(strstr(text, "…"));
    assert_null(strstr(text, "nan"));
    assert_non_null(strstr(text, "<td class=\"o\""));
    hone__report_free(r);
}

static hone_status whole(void *path) {
    hone__report *r;
    hone_status status = hone__report_create(&r, "title", "subtitle", NULL);
    if (status != HONE_OK) return status;
    hone__report_section(r, "s", "section");
    for (int i = 0; i < 200; i++) hone__report_paragraph(r, "line %d", i);
    status = hone__report_write(r, path, NULL);
    hone__report_free(r);
    return status;
}

static void test_written_and_out_of_memory(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/hone-report-%ld.html", (long)getpid());
    assert_true(test_every_allocation(whole, path) > 5);
    FILE *file = fopen(path, "r");
    char begin[16] = "";
    assert_non_null(file);
    assert_non_null(fgets(begin, sizeof begin, file));
    fclose(file);
    remove(path);
    assert_string_equal(begin, "<!doctype html>");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_escaped),           cmocka_unit_test(test_numbers_have_dots),
        cmocka_unit_test(test_pictures_are_inside),       cmocka_unit_test(test_charts),
        cmocka_unit_test(test_written_and_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
