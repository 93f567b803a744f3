#ifndef SLUICE_BENCH_TRANSCODE_DOCUMENTS_H
#define SLUICE_BENCH_TRANSCODE_DOCUMENTS_H

/* transcode_documents: what bench_transcode reads: five kinds of JSON of about 1 KiB each. */

enum { TRANSCODE_DOCUMENTS = 5 };

static const struct {
    const char *name;
    const char *text;
} transcode_documents[TRANSCODE_DOCUMENTS] = {
    {"short strings",
     "{\"items\":[{\"id\":\"k00\",\"tag\":\"red\",\"to\":\"u-0\"},{\"id\":\"k01\",\"tag\":\"green\",\""
     "to\":\"u-7\"},{\"id\":\"k02\",\"tag\":\"blue\",\"to\":\"u-14\"},{\"id\":\"k03\",\"tag\":\"grey\""
     ",\"to\":\"u-21\"},{\"id\":\"k04\",\"tag\":\"red\",\"to\":\"u-28\"},{\"id\":\"k05\",\"tag\":\"gre"
     "en\",\"to\":\"u-35\"},{\"id\":\"k06\",\"tag\":\"blue\",\"to\":\"u-42\"},{\"id\":\"k07\",\"tag\":"
     "\"grey\",\"to\":\"u-49\"},{\"id\":\"k08\",\"tag\":\"red\",\"to\":\"u-56\"},{\"id\":\"k09\",\"tag"
     "\":\"green\",\"to\":\"u-63\"},{\"id\":\"k10\",\"tag\":\"blue\",\"to\":\"u-70\"},{\"id\":\"k11\","
     "\"tag\":\"grey\",\"to\":\"u-77\"},{\"id\":\"k12\",\"tag\":\"red\",\"to\":\"u-84\"},{\"id\":\"k13"
     "\",\"tag\":\"green\",\"to\":\"u-91\"},{\"id\":\"k14\",\"tag\":\"blue\",\"to\":\"u-98\"},{\"id\":"
     "\"k15\",\"tag\":\"grey\",\"to\":\"u-105\"},{\"id\":\"k16\",\"tag\":\"red\",\"to\":\"u-112\"},{\""
     "id\":\"k17\",\"tag\":\"green\",\"to\":\"u-119\"},{\"id\":\"k18\",\"tag\":\"blue\",\"to\":\"u-126"
     "\"},{\"id\":\"k19\",\"tag\":\"grey\",\"to\":\"u-133\"},{\"id\":\"k20\",\"tag\":\"red\",\"to\":\""
     "u-140\"},{\"id\":\"k21\",\"tag\":\"green\",\"to\":\"u-147\"},{\"id\":\"k22\",\"tag\":\"blue\",\""
     "to\":\"u-154\"},{\"id\":\"k23\",\"tag\":\"grey\",\"to\":\"u-161\"},{\"id\":\"k24\",\"tag\":\"red"
     "\",\"to\":\"u-168\"},{\"id\":\"k25\",\"tag\":\"green\",\"to\":\"u-175\"}]}"},
    {"escapes",
     "{\"text\":\"Line 0: \\\"quoted\\\"\\tC:\\\\dir\\\\file /slash \\u0001 Gr\303\274\303\237e \344"
     "\275\240\345\245\275 \360\237\230\200\\nLine 1: \\\"quoted\\\"\\tC:\\\\dir\\\\file /slash \\u000"
     "1 Gr\303\274\303\237e \344\275\240\345\245\275 \360\237\230\200\\nLine 2: \\\"quoted\\\"\\tC:\\"
     "\\dir\\\\file /slash \\u0001 Gr\303\274\303\237e \344\275\240\345\245\275 \360\237\230\200\\nLin"
     "e 3: \\\"quoted\\\"\\tC:\\\\dir\\\\file /slash \\u0001 Gr\303\274\303\237e \344\275\240\345\245"
     "\275 \360\237\230\200\\nLine 4: \\\"quoted\\\"\\tC:\\\\dir\\\\file /slash \\u0001 Gr\303\274\303"
     "\237e \344\275\240\345\245\275 \360\237\230\200\\nLine 5: \\\"quoted\\\"\\tC:\\\\dir\\\\file /sl"
     "ash \\u0001 Gr\303\274\303\237e \344\275\240\345\245\275 \360\237\230\200\\nLine 6: \\\"quoted\\"
     "\"\\tC:\\\\dir\\\\file /slash \\u0001 Gr\303\274\303\237e \344\275\240\345\245\275 \360\237\230"
     "\200\\nLine 7: \\\"quoted\\\"\\tC:\\\\dir\\\\file /slash \\u0001 Gr\303\274\303\237e \344\275"
     "\240\345\245\275 \360\237\230\200\\nLine 8: \\\"quoted\\\"\\tC:\\\\dir\\\\file /slash \\u0001 Gr"
     "\303\274\303\237e \344\275\240\345\245\275 \360\237\230\200\\nLine 9: \\\"quoted\\\"\\tC:\\\\dir"
     "\\\\file /slash \\u0001 Gr\303\274\303\237e \344\275\240\345\245\275 \360\237\230\200\\nLine 10:"
     " \\\"quoted\\\"\\tC:\\\\dir\\\\file /slash \\u0001 Gr\303\274\303\237e \344\275\240\345\245\275 "
     "\360\237\230\200\\nLine 11: \\\"quoted\\\"\\tC:\\\\dir\\\\file /slash \\u0001 Gr\303\274\303\237"
     "e \344\275\240\345\245\275 \360\237\230\200\\nLine 12: \\\"quoted\\\"\\tC:\\\\dir\\\\file /slash"
     " \\u0001 Gr\303\274\303\237e \344\275\240\345\245\275 \360\237\230\200\\nLine 13: \\\"quoted\\\""
     "\\tC:\\\\dir\\\\file /slash \\u0001 Gr\303\274\303\237e \344\275\240\345\245\275 \360\237\230"
     "\200\",\"note\":\"a\\b\\f\\r\"}"},
    {"numbers",
     "{\"ints\":[0,1,-1,127,128,-32768,65535,2147483647,-2147483648,4294967296,9007199254740991,-90071"
     "99254740991,0,1,-1,127,128,-32768,65535,2147483647,-2147483648,4294967296,9007199254740991,-9007"
     "199254740991,0,1,-1,127,128,-32768,65535,2147483647,-2147483648,4294967296,9007199254740991,-900"
     "7199254740991,0,1,-1,127,128,-32768,65535,2147483647,-2147483648,4294967296,9007199254740991,-90"
     "07199254740991],\"doubles\":[0.5,-0.25,3.141592653589793,2.718281828459045,15000000000.5,6.02214"
     "076e-05,0.1,1.0099999999999999e-07,123456.789,-98765.4321,51.5074,-0.1278,0.5,-0.25,3.1415926535"
     "89793,2.718281828459045,15000000000.5,6.02214076e-05,0.1,1.0099999999999999e-07,123456.789,-9876"
     "5.4321,51.5074,-0.1278,0.5,-0.25,3.141592653589793,2.718281828459045,15000000000.5,6.02214076e-0"
     "5,0.1,1.0099999999999999e-07,123456.789,-98765.4321,51.5074,-0.1278,0.5,-0.25,3.141592653589793,"
     "2.718281828459045,15000000000.5,6.02214076e-05,0.1,1.0099999999999999e-07,123456.789,-98765.4321"
     ",51.5074,-0.1278]}"},
    {"deep",
     "{\"node13\":[{\"node12\":[{\"node11\":[{\"node10\":[{\"node9\":[{\"node8\":[{\"node7\":[{\"node6"
     "\":[{\"node5\":[{\"node4\":[{\"node3\":[{\"node2\":[{\"node1\":[{\"node0\":[{\"v\":1},{\"kind\":"
     "true,\"size\":null,\"name\":\"leaf 0\"}],\"depth\":0,\"up\":[0]},{\"kind\":true,\"size\":null,\""
     "name\":\"leaf 1\"}],\"depth\":1,\"up\":[1]},{\"kind\":true,\"size\":null,\"name\":\"leaf 2\"}],"
     "\"depth\":2,\"up\":[2]},{\"kind\":true,\"size\":null,\"name\":\"leaf 3\"}],\"depth\":3,\"up\":[3"
     "]},{\"kind\":true,\"size\":null,\"name\":\"leaf 4\"}],\"depth\":4,\"up\":[4]},{\"kind\":true,\"s"
     "ize\":null,\"name\":\"leaf 5\"}],\"depth\":5,\"up\":[5]},{\"kind\":true,\"size\":null,\"name\":"
     "\"leaf 6\"}],\"depth\":6,\"up\":[6]},{\"kind\":true,\"size\":null,\"name\":\"leaf 7\"}],\"depth"
     "\":7,\"up\":[7]},{\"kind\":true,\"size\":null,\"name\":\"leaf 8\"}],\"depth\":8,\"up\":[8]},{\"k"
     "ind\":true,\"size\":null,\"name\":\"leaf 9\"}],\"depth\":9,\"up\":[9]},{\"kind\":true,\"size\":n"
     "ull,\"name\":\"leaf 10\"}],\"depth\":10,\"up\":[10]},{\"kind\":true,\"size\":null,\"name\":\"lea"
     "f 11\"}],\"depth\":11,\"up\":[11]},{\"kind\":true,\"size\":null,\"name\":\"leaf 12\"}],\"depth\""
     ":12,\"up\":[12]},{\"kind\":true,\"size\":null,\"name\":\"leaf 13\"}],\"depth\":13,\"up\":[13]}"},
    {"chat message",
     "{\"e\":\"chat:message\",\"p\":{\"id\":\"01JD2Z7Q8KX4M9T3V5W6Y7B8C9\",\"room\":\"lobby\",\"user\""
     ":{\"id\":48213,\"name\":\"Zo\303\253 Fischer\",\"avatar\":\"https://cdn.example.org/a/48213/128."
     "png\",\"roles\":[\"member\",\"moderator\"]},\"text\":\"Hey @m\303\274ller, did you see yesterday"
     "'s release notes? \360\237\216\211 They finally fixed the \\\"reconnect\\\" bug:\\nhttps://examp"
     "le.org/notes/2024-11#reconnect\\nI tried it on the train this morning: three tunnels, not one lo"
     "st message. The only thing I still miss is a way to mark a thread as read from the phone \342"
     "\200\223 maybe next time?\",\"mentions\":[{\"user\":48190,\"from\":4,\"to\":11}],\"reply_to\":nu"
     "ll,\"edited\":false,\"sent_ms\":1732374625123,\"client\":{\"app\":\"web\",\"version\":\"5.12.1\""
     ",\"lang\":\"de-DE\"},\"reactions\":[{\"emoji\":\"\360\237\221\215\",\"users\":[48190,48222,49001"
     "]},{\"emoji\":\"\342\235\244\357\270\217\",\"users\":[48301]}],\"attachments\":[{\"kind\":\"imag"
     "e\",\"url\":\"https://cdn.example.org/u/48213/f3a9.webp\",\"width\":1280,\"height\":853,\"bytes"
     "\":187344}]},\"i\":1042}"},
};

#endif
