//! Subjects and texts. The only words in them that a caller chose are names of API tokens, without links, in mail to their
//! owner: so nobody can send messages through them.

type Text = (&'static str, String);

pub(super) fn verify_email(code: &str) -> Text {
    let text = format!(
        "This code proves that mail reaches you at this address. It works once, for 24 hours:\n\n    {code}\n\n\
         If you do not know what this is about, you need not do anything.\n"
    );
    ("Confirm your email address", text)
}

pub(super) fn reset_password(code: &str) -> Text {
    let text = format!(
        "Somebody, hopefully you, asked for a new password. This code sets one; it works once, for one hour:\n\n    \
         {code}\n\nIf that was not you, you need not do anything: your password stays as it is.\n"
    );
    ("Reset your password", text)
}

pub(super) fn change_email(code: &str) -> Text {
    let text = format!(
        "This code makes this address the one of your account. It works once, for one hour:\n\n    {code}\n\n\
         If you do not know what this is about, you need not do anything.\n"
    );
    ("Confirm your new email address", text)
}

pub(super) fn sign_up(code: &str) -> Text {
    let text = format!(
        "Somebody, hopefully you, wants an account with this address. This code makes it; it works once, for 24 hours:\n\n    \
         {code}\n\nIf that was not you, you need not do anything: without the code there is no account.\n"
    );
    ("Finish signing up", text)
}

pub(super) fn address_taken() -> Text {
    let text = "Somebody, perhaps you, wants to use this address for an account. There is one with it already, so \
                nothing was changed.\n\nIf you forgot its password, reset it.\n";
    ("You already have an account", text.to_owned())
}

pub(super) fn email_change_requested() -> Text {
    let text = "Somebody who knows your password asked to replace this address of your account by another. It is \
                replaced as soon as the other one is confirmed.\n\nIf that was not you, change your password at once: \
                that also ends this change.\n";
    ("Your email address is to change", text.to_owned())
}

pub(super) fn email_changed(new: &str) -> Text {
    let text = format!(
        "The email address of your account is now:\n\n{new}\n\nIf that was not you, tell whoever runs this service \
         at once.\n"
    );
    ("Your email address has changed", text)
}

/// `api_tokens` are those that go on working.
pub(super) fn password_changed(api_tokens: &[&str]) -> Text {
    let tokens = match api_tokens {
        [] => "No API token of your account is valid.".to_owned(),
        tokens => format!(
            "These API tokens go on working; revoke those that you do not know:\n\n{}",
            tokens.iter().map(|token| format!("- {token}\n")).collect::<String>()
        ),
    };
    let text = format!(
        "The password of your account was just changed, and other devices were signed out.\n\n{tokens}\n\nIf that was not \
         you, reset your password at once, which also ends all API tokens, and tell whoever runs this service.\n"
    );
    ("Your password was changed", text)
}

pub(super) fn password_reset() -> Text {
    let text = "The password of your account was just reset. All devices were signed out, and all API tokens ended.\n\nIf \
                that was not you, reset your password at once, and tell whoever runs this service.\n";
    ("Your password was changed", text.to_owned())
}

pub(super) fn api_token_created() -> Text {
    let text = "An API token was just created for your account: programs that have it can act for you until it expires.\n\n\
                If that was not you, change your password at once, and revoke the token: a new password does not end \
                it.\n";
    ("You have a new API token", text.to_owned())
}

pub(super) fn account_deleted() -> Text {
    let text = "Your account was just deleted, and all your devices were signed out.\n\nIf that was not you, tell \
                whoever runs this service at once.\n";
    ("Your account was deleted", text.to_owned())
}

pub(super) fn second_factor_enabled() -> Text {
    let text = "A second factor was just turned on for your account: from now on, signing in takes a code of an \
                authenticator app as well.\n\nIf that was not you, change your password at once, and tell whoever runs \
                this service.\n";
    ("Your second factor is on", text.to_owned())
}

pub(super) fn second_factor_disabled() -> Text {
    let text = "The second factor of your account was just turned off: a password alone signs in again.\n\nIf that was \
                not you, change your password at once, and tell whoever runs this service.\n";
    ("Your second factor is off", text.to_owned())
}

pub(super) fn second_factor_removed() -> Text {
    let text = "Whoever runs this service just removed the second factor of your account: a password alone signs in \
                again.\n\nIf you did not ask for that, change your password at once, and tell them.\n";
    ("Your second factor was removed", text.to_owned())
}

pub(super) fn recovery_codes_created() -> Text {
    let text = "New recovery codes were just made for your account, and the former ones no longer work.\n\nIf that was \
                not you, change your password at once, and tell whoever runs this service.\n";
    ("You have new recovery codes", text.to_owned())
}
