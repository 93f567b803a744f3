#ifndef SLUICE_APP_JSON_TEXT_H
#define SLUICE_APP_JSON_TEXT_H

/* json_text: JSON for people: with comments, and with a line and column for everything in it. Strictness is
 * wire/json.h's, the tree is cJSON's, and this module lets the two be used together. */

#include <stddef.h>

#include <cjson/cJSON.h>

/* Overwrite comments (// to the line's end, and those of C) with spaces, so that all else stays where it is.
 * Returns NULL, or what is wrong at *@offset: a comment without an end, or what cJSON would cut silently (a
 * zero character in a string). */
const char *json_text_blank(char *text, size_t len, size_t *offset);

/* Where @item, a part of the tree @root made from the valid JSON @text, begins in it. With @key (may be NULL)
 * also where its key does (an object's member; else the same as the value). */
size_t json_text_find(const char *text, const cJSON *root, const cJSON *item, size_t *key);

/* Line and column, from 1 and in bytes, of an offset. */
void json_text_position(const char *text, size_t offset, size_t *line, size_t *column);

#endif
