/* SPDX-License-Identifier: Apache-2.0
 *
 * The packed file, as bytes. Numbers are little-endian.
 *
 *   header   512 bytes: magic, version, what the file holds, where the sections are, their checksums
 *   records  one after the other, the train part's first, then the validation and the test part's: pixels of one size
 *            (raw), or the files as they were (encoded)
 *   index    32 bytes a record: where it is, its label, its part, its name
 *   text     strings that end with a zero byte: the empty one, the class names, where it came from, the names
 *
 * The sections lie against each other and fill the file, so a file that was cut short is seen by its length alone. */
#ifndef HONE_PACK_INTERNAL_H
#define HONE_PACK_INTERNAL_H

#include "readers.h"

enum { HONE_PACK_HEADER = 512, HONE_PACK_ENTRY = 32, HONE_PACK_MAGIC = 8, HONE_PACK_HASH = 64 };

extern const unsigned char hone__pack_magic[HONE_PACK_MAGIC];

/* What the header says, and where things are in memory that holds the whole file. */
typedef struct hone__pack {
    unsigned char *data; /* the file; never written to */
    size_t size;
    bool is_encoded, has_names;
    int height, width, channels; /* of the records, or what encoded ones become where nothing else is asked for */
    size_t samples, classes;
    size_t records_size, index, text, text_size; /* index, text: offsets */
    size_t first[HONE_PARTS + 1];                /* where each part's records begin, and the end */
    char hashes[HONE_PARTS]
               [HONE_PACK_HASH + 1]; /* hone_dataset_hash of the parts; of encoded ones the same over files */
} hone__pack;

typedef struct hone__pack_entry {
    size_t offset, size; /* of the record */
    int32_t label;
    hone__part part;
    size_t name; /* into the text */
} hone__pack_entry;

/* Checks everything: afterwards no entry leads out of the file. data stays the caller's. */
hone_status hone__pack_parse(hone__pack *out, unsigned char *data, size_t size, hone_error *err);
hone__pack_entry hone__pack_entry_at(const hone__pack *pack, size_t index);
/* String number index of the text, or NULL. 0: "", 1 … classes: class names where there are any, then the source. */
const char *hone__pack_string(const hone__pack *pack, size_t index);

/* The other way: pack's fields (data and size apart) and the checksum of index and text become a header. */
void hone__pack_put_header(unsigned char header[HONE_PACK_HEADER], const hone__pack *pack, uint32_t checksum);
void hone__pack_put_entry(unsigned char bytes[HONE_PACK_ENTRY], const hone__pack_entry *entry);

#endif
