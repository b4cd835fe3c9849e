//! `PHPMailer`.

use tokio::process::Command;

use super::{TEXT, exercise_writer};

const PHPMAILER: &str = r"
require '/usr/share/php/libphp-phpmailer/autoload.php';
[, $port, $tls, $mechanism, $ca, $text] = $argv;
// By default it takes no address whose domain is a single label.
PHPMailer\PHPMailer\PHPMailer::$validator = static fn ($address) => true;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = (int) $port;
$mail->Hostname = $mail->Helo = 'client.example';
$mail->SMTPSecure = ['implicit' => 'ssl', 'starttls' => 'tls', 'none' => ''][$tls];
$mail->SMTPAutoTLS = false;
$mail->SMTPOptions = ['ssl' => ['cafile' => $ca, 'verify_peer' => true, 'verify_peer_name' => true]];
$mail->SMTPAuth = true;
$mail->AuthType = $mechanism;
$mail->Username = 'dev@localhost';
$mail->Password = 'gatepost';
$mail->setFrom('dev@localhost');
$mail->addAddress('you@example.com');
$mail->Subject = 'from PHPMailer';
$mail->Body = $text;
$mail->send();
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phpmailer_submits_by_every_mechanism_it_has() {
    exercise_writer("PHPMailer", &["PLAIN", "LOGIN", "CRAM-MD5"], |submission| {
        let mut command = Command::new("php");
        command
            .args(["-r", PHPMAILER, "--"])
            .arg(submission.address.port().to_string())
            .args([submission.lane.word(), submission.mechanism])
            .arg(submission.ca)
            .arg(TEXT);
        command
    })
    .await;
}
