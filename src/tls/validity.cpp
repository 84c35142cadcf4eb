#include "tls/validity.h"

#include "base/counted.h"
#include "tls/gnutls_handles.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>

namespace sallyport::tls {
namespace {

using std::chrono::sys_seconds;

/// The longest time before expiry for a warning.
constexpr std::chrono::days longest_notice{14};

/// From bad to worse.
enum class State : std::uint8_t { good, ends_soon, not_yet_valid, expired };

State state_of(const Validity& validity, sys_seconds now) {
  if (now > validity.not_after) return State::expired;
  if (now < validity.not_before) return State::not_yet_valid;
  const std::chrono::seconds third = (validity.not_after - validity.not_before) / 3;
  const auto notice = std::min<std::chrono::seconds>(third, longest_notice);
  return validity.not_after - now < notice ? State::ends_soon : State::good;
}

std::string time_left_text(std::chrono::seconds left) {
  const auto in = [](auto count, const char* unit) {
    return counted(static_cast<std::uint64_t>(count), unit);
  };
  if (left >= std::chrono::days(2)) return in(left / std::chrono::days(1), "day");
  if (left >= std::chrono::hours(2)) return in(left / std::chrono::hours(1), "hour");
  return in(left / std::chrono::minutes(1), "minute");
}

}  // namespace

Result<std::vector<Validity>> validity_of(std::string_view chain_pem) {
  std::vector<Validity> chain;
  for (const X509Certificate& certificate : parse_certificates(chain_pem)) {
    const auto time = [](std::time_t seconds) { return sys_seconds(std::chrono::seconds(seconds)); };
    chain.push_back({.not_before = time(gnutls_x509_crt_get_activation_time(certificate.get())),
                     .not_after = time(gnutls_x509_crt_get_expiration_time(certificate.get()))});
  }
  if (chain.empty()) return fail(ErrorKind::file, "there is no certificate in PEM form");
  return chain;
}

sys_seconds end_of(std::span<const Validity> chain) {
  return std::ranges::min_element(chain, {}, &Validity::not_after)->not_after;
}

std::optional<std::string> concern_about(std::span<const Validity> chain, std::string_view place,
                                         sys_seconds now, std::string_view by) {
  const Validity* worst = nullptr;
  State state = State::good;
  for (const Validity& each : chain) {
    const State found = state_of(each, now);
    if (found == State::good || found < state) continue;
    if (found == state && each.not_after >= worst->not_after) continue;
    worst = &each;
    state = found;
  }
  if (worst == nullptr) return std::nullopt;

  const auto position = worst - chain.data() + 1;
  const std::string subject =
      (position == 1 ? "the certificate " : "certificate " + std::to_string(position) + " of the chain ") +
      std::string(place);
  if (state == State::expired)
    return subject + " expired on " + date_text(worst->not_after) + ", so " + std::string(by) + " refuse it";
  if (state == State::not_yet_valid)
    return subject + " is not valid before " + date_text(worst->not_before) + ", so " + std::string(by) +
           " refuse it (is the clock right?)";
  return subject + " expires on " + date_text(worst->not_after) + ", in " +
         time_left_text(worst->not_after - now);
}

std::string date_text(sys_seconds time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm parts{};
  std::array<char, 32> text{};
  gmtime_r(&seconds, &parts);
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
  return text.data();
}

}  // namespace sallyport::tls
