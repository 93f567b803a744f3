#ifndef SLUICE_APP_CONFIG_FILE_H
#define SLUICE_APP_CONFIG_FILE_H

struct config;

/* config_file: settings from the JSON file c->file. What the command line has set stays. 0, or -1 with a
 * fault for each thing that is wrong, at its line and column (in bytes). */
int config_file_read(struct config *c);

#endif
