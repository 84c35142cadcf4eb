// Escaping: makes text of a peer, a file or a user safe to print. It is done here only, called by the
// functions that print (log.h, cli/command.h) and by those that write JSON, so no caller can forget it.
// Letters of any script stay as they are. Characters that move a cursor, start a line, or change the reading
// order are escaped: control characters (C0, DEL, C1), line separators, bidirectional controls, invisible
// tags, and bytes that are not UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport {

/// For a line of a log or a terminal: "\n", "\t", "\x1b", "\u{202e}". A backslash is not escaped, so the
/// result is for people, not for parsing.
std::string escaped(std::string_view text);

/// For several lines of ours, a table: as escaped(), but line feeds stay.
std::string escaped_page(std::string_view text);

/// Appends the content of a double-quoted string in a line that programs parse: as escaped(), with a
/// backslash before '"' and '\'.
void append_quoted(std::string& out, std::string_view text);

/// Appends the content of a JSON string (RFC 8259): always well-formed UTF-8. Escapes as "\u001b"; bytes that
/// are not UTF-8 become U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);

/// `json` from a library, which escapes only what JSON's grammar requires: here its strings are escaped as by
/// append_json_escaped(), and its numbers are written without exponents. Line feeds stay.
std::string escaped_json(std::string_view json);

/// The length of the well-formed UTF-8 sequence at the front of `text` (RFC 3629: no surrogates, no overlong
/// forms), or 0. `text` is not empty.
std::size_t utf8_sequence(std::string_view text);
bool is_utf8(std::string_view text);

/// The longest prefix of `text` of at most `most` bytes that does not split a UTF-8 sequence.
std::string_view utf8_front(std::string_view text, std::size_t most);

}  // namespace sallyport
