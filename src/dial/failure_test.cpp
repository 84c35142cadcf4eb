#include "dial/failure.h"

#include "masque/refusal_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::dial {
namespace {

using testing::HasSubstr;

const Error refused{ErrorKind::refused, "nobody listens there"};
const Error silent{ErrorKind::timeout, "the handshake took too long"};

Tried quic(Reach reach = Reach::nothing) {
  return {.name = "QUIC", .target = "192.0.2.1:443", .reach = reach};
}
Tried tcp(Reach reach = Reach::nothing) {
  return {.name = "TCP", .target = "192.0.2.1:443", .reach = reach};
}
Tried connect_udp(Reach reach, std::optional<Error> end = std::nullopt) {
  return {.name = "CONNECT-UDP",
          .target = "example.com:443",
          .reach = reach,
          .tunnel_error = std::move(end),
          .tunnel_size = 1300};
}
Tried connect(Reach reach, std::optional<Error> end = std::nullopt) {
  return {.name = "CONNECT", .target = "example.com:443", .reach = reach, .tunnel_error = std::move(end)};
}

const FailureWords& direct() {
  static const FailureWords words("origin o:443", "", 3s);
  return words;
}
const FailureWords& inside() {
  static const FailureWords words("origin o:443", "hop 1 (h:443)", 3s);
  return words;
}

TEST(FailureWords, NamesWhoFailedOnce) {
  EXPECT_EQ(direct().titled(direct().explain(tcp(), refused, false)).message,
            "origin o:443: nobody listens there");
  EXPECT_EQ(inside().titled(inside().explain(connect(Reach::path), refused, false)).message,
            "origin o:443: nobody listens there");
  const Error no{ErrorKind::denied, "the proxy answered 403", 403};
  const Failure of_hop = inside().explain(connect(Reach::nothing, no), refused, false);
  EXPECT_TRUE(of_hop.of_hop);
  EXPECT_EQ(inside().titled(of_hop).message, "hop 1 (h:443): the proxy answered 403");
  EXPECT_EQ(inside().titled(of_hop).code, 403u);
  EXPECT_EQ(inside().told({of_hop}).message, "hop 1 (h:443): the proxy answered 403");
  EXPECT_EQ(inside().titled(inside().explain(connect(Reach::answered, no), refused, true)).message,
            "hop 1 (h:443): the proxy answered 403")
      << "an established connection ended with its tunnel";
}

TEST(FailureWords, AHopThatDoesNotAnswerIsSilentAndNotThePeer) {
  for (const Failure& failure :
       {inside().silence(connect(Reach::nothing)), inside().explain(connect(Reach::nothing), silent, false)})
    EXPECT_EQ(inside().titled(failure).message,
              "hop 1 (h:443): no answer within 3 s to the request for a tunnel to example.com:443");
  EXPECT_EQ(inside().titled(inside().silence(connect(Reach::path))).message,
            "origin o:443: no answer within 3 s");
  EXPECT_EQ(direct().titled(direct().silence(quic())).message, "origin o:443: no answer within 3 s");
  EXPECT_EQ(inside().titled(inside().explain(connect(Reach::nothing), silent, true)).message,
            "origin o:443: the handshake took too long")
      << "it was ready";
}

TEST(FailureWords, SaysWhereAPathIsTooNarrow) {
  Tried tried = connect_udp(Reach::path);
  EXPECT_FALSE(inside().too_narrow(tried));
  tried.tunnel_size = 1199;
  const Error told = inside().titled(inside().explain(tried, silent, false));
  EXPECT_EQ(told.kind, ErrorKind::too_large);
  EXPECT_THAT(told.message,
              HasSubstr("origin o:443: the path inside hop 1 (h:443) carries datagrams of 1199"));
  EXPECT_FALSE(direct().too_narrow(quic()));
  tried.tunnel_headers = 28;
  EXPECT_THAT(
      inside().titled(inside().explain(tried, silent, false)).message,
      HasSubstr("the path inside hop 1 (h:443) carries IP packets of 1227 bytes only, and QUIC needs 1200 "
                "behind 28 bytes of IP and UDP headers; use fewer hops"));
}

TEST(FailureWords, SaysWhatAHopOwes) {
  Tried tried = connect_udp(Reach::path);
  tried.owed = "address";
  EXPECT_EQ(inside().titled(inside().silence(tried)).message,
            "hop 1 (h:443): it opened a tunnel to example.com:443, but gave no address within 3 s");
}

TEST(FailureWords, TellsOfEachTryAndNamesItsAddress) {
  EXPECT_EQ(direct().line(quic(), direct().silence(quic())),
            "origin o:443: QUIC to 192.0.2.1:443: no answer within 3 s");
  const Error named{ErrorKind::unreachable, "192.0.2.1:443 leads nowhere"};
  EXPECT_EQ(direct().line(quic(), direct().explain(quic(), named, false)),
            "origin o:443: 192.0.2.1:443 leads nowhere");
  EXPECT_EQ(inside().line(connect(Reach::path), inside().silence(connect(Reach::path))),
            "origin o:443: no answer within 3 s");
}

TEST(FailureWords, TellsWhatBecameOfBothProtocols) {
  const Failure first = direct().explain(tcp(), refused, false), second = direct().silence(quic());
  EXPECT_EQ(direct().told({first, second}).message,
            "origin o:443: TCP: nobody listens there; QUIC: no answer within 3 s");
  EXPECT_EQ(direct().told({second, first}).message,
            "origin o:443: QUIC: no answer within 3 s; TCP: nobody listens there");
  EXPECT_EQ(direct().told({second, direct().silence(tcp())}).message, "origin o:443: no answer within 3 s");
  EXPECT_EQ(direct().told({first, first}).message, "origin o:443: nobody listens there");
  EXPECT_EQ(inside()
                .told({inside().silence(connect(Reach::path)),
                       inside().explain(connect_udp(Reach::nothing), refused, false)})
                .message,
            "origin o:443: no answer within 3 s")
      << "behind a hop";
  EXPECT_EQ(direct().told({}).message, "origin o:443: the connection could not be established");
}

TEST(FailureWords, TellsAloneWhatGotFurthest) {
  const Error certificate{ErrorKind::tls, "the certificate is for nobody"};
  EXPECT_EQ(direct()
                .told({direct().silence(quic()), direct().explain(tcp(Reach::answered), certificate, false)})
                .message,
            "origin o:443: the certificate is for nobody");
  EXPECT_EQ(
      direct().told({direct().explain(quic(), refused, false), direct().silence(tcp(Reach::path))}).message,
      "origin o:443: TCP: no answer within 3 s; QUIC: nobody listens there");
}

TEST(FailureWords, TellsTheReasonOfARefusalRatherThanALostTarget) {
  const Error lost{ErrorKind::closed, "the tunnel ended", masque::target_lost};
  const Error other_end{ErrorKind::closed, "the tunnel ended", 2};
  const Error reason{ErrorKind::refused, "502, connection_refused", 502};
  const Error of_method{ErrorKind::http, "405", 405};
  const auto told = [](const Error& end, const Error& refusal) {
    return inside()
        .told({inside().explain(connect_udp(Reach::path, end), end, false),
               inside().explain(connect(Reach::nothing, refusal), refusal, false)})
        .message;
  };
  EXPECT_EQ(told(lost, reason), "hop 1 (h:443): 502, connection_refused");
  EXPECT_EQ(told(lost, of_method), "hop 1 (h:443): the tunnel ended");
  EXPECT_EQ(told(other_end, reason), "hop 1 (h:443): the tunnel ended");
}

TEST(FailureWords, AdvisesWhereThePeerDidNotAnswer) {
  const FailureWords words("hop 1 (h:443)", "", 3s, "try TCP");
  EXPECT_EQ(words.told({words.silence(quic())}).message, "hop 1 (h:443): no answer within 3 s (try TCP)");
  EXPECT_EQ(words.told({words.explain(quic(Reach::answered), refused, false)}).message,
            "hop 1 (h:443): nobody listens there");
  const FailureWords second("hop 2 (i:443)", "hop 1 (h:443)", 3s, "try TCP");
  EXPECT_EQ(second.told({second.explain(connect_udp(Reach::nothing, refused), refused, false)}).message,
            "hop 1 (h:443): nobody listens there")
      << "that is hop 1's matter";
}

TEST(FailureWords, KnowsWhichRefusalsAreOfEveryTunnel) {
  for (const Error& all : {Error{ErrorKind::denied, "", 401}, Error{ErrorKind::resolve, "", 502},
                           Error{ErrorKind::http, "", 429}, Error{ErrorKind::http, "", 508}})
    EXPECT_TRUE(connect(Reach::nothing, all).is_refused_for_all()) << all.code;
  EXPECT_FALSE(connect(Reach::nothing, Error{ErrorKind::http, "", 403}).is_refused_for_all());
  EXPECT_FALSE(connect(Reach::nothing).is_refused_for_all()) << "it has not answered";
  EXPECT_FALSE(connect(Reach::path, Error{ErrorKind::denied, "", 401}).is_refused_for_all())
      << "it opened the tunnel";
}

TEST(FailureWords, TheFirstOfThoseThatTellMostIsTold) {
  const std::vector<Failure> failures{{.error = {ErrorKind::timeout, "a"}, .tells = Tells::nothing},
                                      {.error = {ErrorKind::timeout, "b"}, .tells = Tells::path},
                                      {.error = {ErrorKind::timeout, "c"}, .tells = Tells::path}};
  EXPECT_EQ(most_telling(failures).error.message, "b");
}

TEST(BlameSilence, IsOfTheNearestHopThatWasSilentAsLong) {
  const Error why{ErrorKind::timeout, "origin o:443: nothing came for 4 s", 7};
  const Time now = Time{} + 1h;
  const std::vector<Heard> hops{
      {"hop 1", now - 2s}, {"hop 2", Time{}}, {"hop 3", now - 3s}, {"hop 4", now - 9s}};
  const Error blamed = blame_silence(why, hops, now, 4s);
  EXPECT_EQ(blamed.message, "hop 3: nothing came from it for 3 s");
  EXPECT_EQ(blamed.kind, ErrorKind::timeout);
  EXPECT_EQ(blamed.code, 7u);
  EXPECT_EQ(blame_silence(why, std::span(hops).first(2), now, 4s).message, why.message);
}

}  // namespace
}  // namespace sallyport::dial
