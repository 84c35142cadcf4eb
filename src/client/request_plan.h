// RequestPlan: what a user of `get` chose to ask with: method, fields and content (-I, -X, -H, -d, -T), and
// what of that goes on to where a redirect leads (RFC 9110 §15.4).
#pragma once

#include "base/result.h"
#include "client/content.h"
#include "dial/url.h"
#include "http/message.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::client {

struct RequestPlan {
  std::string method = "GET";
  bool keep_method = false;                ///< it was named by the user: no redirect changes it
  http::Fields fields;                     ///< each takes the place of ours of its name
  std::vector<std::string> left_out;       ///< names of ours that are not sent
  std::string authority;                   ///< in place of the URL's; empty: the URL's
  std::string content_type;                ///< unless the user named one
  std::shared_ptr<const Content> content;  ///< null: none

  /// A GET without ranges of the user's own, whose response can be split by ranges and gone on with later.
  /// Every other response is taken as it comes.
  bool is_plain_get() const;
  /// May be asked once more although nobody knows what became of the first time (RFC 9110 §9.2.2).
  bool is_repeatable() const;
  bool is_content_repeatable() const { return !content || content->is_repeatable(); }
};

/// Adds one that the user wrote as curl takes it: "Name: value"; "Name:" leaves ours out; "Name;" is sent
/// without a value. The error, kind usage, names the field and never its value, which may be a secret.
Result<> add_field(RequestPlan& plan, std::string_view text);

/// Without Range and If-Range.
http::Request make_request(const RequestPlan& plan, const dial::Url& url);

/// What is asked for next after a redirect of this status.
RequestPlan redirected(RequestPlan plan, unsigned status);

/// What another origin may be told: no credentials, and not by which name the first one is called.
RequestPlan for_other_origin(RequestPlan plan);

}  // namespace sallyport::client
