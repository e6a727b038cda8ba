/* SPDX-License-Identifier: Apache-2.0
 *
 * Thumbnails: a picture, shrunk where it is large, as a PNG inside the page (a data URI), so that the report is one
 * file and can be mailed. */
#include "report.h"

#include "core_internal.h"

/* ---- base64 ---------------------------------------------------------------------------------------------------- */

static void add_base64(hone__report *r, const unsigned char *data, size_t size) {
    enum { PIECE = 768 };
    char text[PIECE / 3 * 4];
    for (size_t i = 0; i < size; i += PIECE)
        hone__report_bytes(r, text, hone__base64_write(text, data + i, size - i < PIECE ? size - i : PIECE));
}

/* ---- cards ----------------------------------------------------------------------------------------------------- */

enum { TINY_SIDE = 64 }; /* what is smaller is shown enlarged, pixel by pixel */

static void add_picture(hone__report *r, const hone_image *picture, int side, const char *alternative) {
    hone_image small = {0};
    const hone_image *shown = picture;
    int longer = picture ? (picture->height > picture->width ? picture->height : picture->width) : 0;
    if (picture && longer > side) {
        int height = (int)((int64_t)picture->height * side / longer),
            width = (int)((int64_t)picture->width * side / longer);
        hone_status status = hone_image_convert(&small, picture, height > 0 ? height : 1, width > 0 ? width : 1,
                                                picture->channels >= 3 ? 3 : 1, NULL);
        if (status == HONE_MEMORY) hone__report_out_of_memory(r, (size_t)height * (size_t)width * 3);
        shown = status == HONE_OK ? &small : NULL;
    }
    unsigned char *png = NULL; /* none in a build without libpng */
    size_t size = 0;
    if (shown && hone_image_encode_png(&png, &size, shown, NULL) == HONE_OK) {
        hone__report_raw(r, longer < TINY_SIDE ? "<img class=\"tiny\" alt=\"" : "<img alt=\"");
        hone__report_escaped(r, alternative);
        hone__report_raw(r, "\" src=\"data:image/png;base64,");
        add_base64(r, png, size);
        hone__report_raw(r, "\">");
        hone_png_free(png);
    } else {
        hone__report_raw(r, "<div class=\"missing\">no picture</div>");
    }
    hone_image_release(&small);
}

void hone__report_gallery_begin(hone__report *r) {
    hone__report_raw(r, "<div class=\"gallery\">\n");
}

static void add_line(hone__report *r, const char *open, const char *text, const char *close) {
    if (!text || !text[0]) return;
    hone__report_raw(r, open);
    hone__report_escaped(r, text);
    hone__report_raw(r, close);
}

void hone__report_add_card(hone__report *r, const hone__report_card *card) {
    hone__report_raw(r, card->beside ? "<div class=\"card two\"><div class=\"pictures\">"
                                     : "<div class=\"card\"><div class=\"pictures\">");
    add_picture(r, card->picture, card->side, card->title);
    if (card->beside) add_picture(r, card->beside, card->side, card->title);
    hone__report_raw(r, "</div>");
    add_line(r, "<b>", card->title, "</b>");
    add_line(r, "<span>", card->detail, "</span>");
    add_line(r, "<span class=\"pale\">", card->hint, "</span>");
    hone__report_raw(r, "</div>\n");
}

void hone__report_gallery_end(hone__report *r) {
    hone__report_raw(r, "</div>\n");
}
