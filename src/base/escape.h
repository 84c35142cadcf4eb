// Escaping: what a peer, a file or a user wrote, made fit to be shown. The one place where it is done, used
// by what prints (log.h, cli/command.h) and by what writes JSON, so that no caller can forget it. Letters of
// any script stay as they are; what moves a cursor, starts another line, or changes the order in which text
// is read does not: control characters (C0, DEL, C1), line separators, bidirectional controls, invisible
// tags, and bytes that are not UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport {

/// For a line of a log or a terminal: "\n", "\t", "\x1b", "\u{202e}". A backslash stays, so this is for
/// reading, not for taking apart again.
std::string escaped(std::string_view text);

/// For several lines of ours, a table: as escaped(), but line feeds stay.
std::string escaped_page(std::string_view text);

/// Appends what stands between double quotes in a line that programs take apart: as escaped(), and '"' and
/// '\' get a backslash before them.
void append_quoted(std::string& out, std::string_view text);

/// Appends what stands between the quotes of a JSON string (RFC 8259): always well-formed UTF-8. Escapes as
/// "\u001b"; bytes that are not UTF-8 become U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);

/// `json` as a library printed it, which escapes what JSON's grammar asks for and nothing else: now as if its
/// strings had gone through append_json_escaped(), and numbers without exponents. Its line feeds stay.
std::string escaped_json(std::string_view json);

/// Bytes of the well-formed UTF-8 sequence at the front of `text` (RFC 3629: no surrogates, nothing
/// overlong), or 0 where there is none. `text` is not empty.
std::size_t utf8_sequence(std::string_view text);
bool is_utf8(std::string_view text);

/// The longest front of `text` of at most `most` bytes that cuts no UTF-8 sequence in two.
std::string_view utf8_front(std::string_view text, std::size_t most);

}  // namespace sallyport
