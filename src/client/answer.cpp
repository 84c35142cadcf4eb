#include "client/answer.h"

#include "client/content_range.h"
#include "client/validator.h"

namespace sallyport::client {
namespace {

/// Whether the body's length, where it is announced, is that of the range.
bool fits(const http::Response& head, const ByteRange& range) {
  const auto field = head.fields.find("content-length");
  const auto length = field ? http::parse_content_length(*field) : std::nullopt;
  return !length || *length == range.size();
}

}  // namespace

Answer judge(const Question& question, const http::Response& head) {
  const auto field = head.fields.joined("content-range");  // several say nothing
  if (!field) return {head.status == 206 ? Answer::Is::useless : Answer::Is::whole, {}, 0};
  const auto said = parse_content_range(*field);
  const bool is_all = said && said->range.begin == 0 && said->size == said->range.end;
  // It has no meaning there (RFC 9110 §14.4), but names what came all the same where it is a slice.
  if (head.status != 206) return !said || is_all ? Answer{Answer::Is::whole, {}, 0} : Answer{};
  if (!said || !fits(head, said->range)) return {};
  if (!question.range) return is_all ? Answer{Answer::Is::whole, {}, said->range.size()} : Answer{};

  const ByteRange& asked = *question.range;
  const std::uint64_t size = said->size.value_or(question.size);
  if (question.size > 0 && (size != question.size || contradicts(head, question.validator)))
    return {Answer::Is::other_version, {}, 0};
  if (size < said->range.end) return {};  // nobody knows how large the whole is
  if (said->range.begin != asked.begin || said->range.end > asked.end) return {};
  return {Answer::Is::part, said->range, size};
}

}  // namespace sallyport::client
