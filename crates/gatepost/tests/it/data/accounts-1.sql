-- Schema 1, as the first version wrote it: fred@example.com with password "flintstone" and legacy password "fax of 1999",
-- Barney with his second password, "rubble2".
BEGIN TRANSACTION;
CREATE TABLE account (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        name    TEXT NOT NULL,           -- as written by whoever added it
        lookup  TEXT NOT NULL UNIQUE,    -- prepared for comparison
        enabled INTEGER NOT NULL DEFAULT 1,
        created INTEGER NOT NULL         -- seconds since 1970
    ) STRICT;
INSERT INTO "account" VALUES(1,'fred@example.com','fred@example.com',1,1795252458);
INSERT INTO "account" VALUES(2,'Barney','barney',1,1795252459);
CREATE TABLE acts_as (
        account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        target  INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        PRIMARY KEY (account, target)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE address (
        account  INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        position INTEGER NOT NULL,
        address  TEXT NOT NULL,
        PRIMARY KEY (account, position)
    ) STRICT;
INSERT INTO "address" VALUES(1,0,'fred@example.com');
INSERT INTO "address" VALUES(1,1,'fred@example.org');
CREATE TABLE credential (
        id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a new password is a new id
        account       INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        kind          TEXT NOT NULL CHECK (kind IN ('password', 'legacy')),
        label         TEXT NOT NULL,
        prep          TEXT NOT NULL CHECK (prep IN ('saslprep', 'raw')), -- what was hashed (PREP-03)
        password_hash TEXT NOT NULL,     -- PHC string, argon2id
        scram_sha_256 TEXT NOT NULL,     -- RFC 5803
        cram_md5      BLOB,              -- sealed HMAC-MD5 contexts; legacy credentials only
        created       INTEGER NOT NULL,
        UNIQUE (account, label)
    ) STRICT;
INSERT INTO "credential" VALUES(1,1,'password','password','saslprep','$argon2id$v=19$m=19456,t=2,p=1$TXBoYB3lfCfFFDVbS7rogg$0+XOhen94tnik52rZlQNCC4r/S83v4k52tN1H+cB6gw','SCRAM-SHA-256$10000:zWbxP7E/E8LPgD54nGchMw==$8lcOYxbN4N3fFhLPDFomU96H8K93h8TthRtGztc+8Dg=:D+xsZlo0ut95prCdvlAzNrnbab7CxueYKUxmYZxztXM=',NULL,1795252458);
INSERT INTO "credential" VALUES(2,1,'legacy','legacy','saslprep','$argon2id$v=19$m=19456,t=2,p=1$fA06WJ5jhY06Kp+W3xQVqQ$PcSnO/GfOjzl4wgWFs/W/0xYYj78GJ657WN9ytjJF6Y','SCRAM-SHA-256$10000:NCcBnSudJT07zh91g6dKiQ==$l2L9WehSvRSZY82mKwQ34TRlZOUGlHe/9iGR6PDb2b8=:7kMJ6eSQC8ZkVsSXgRu9psUf5Fwo4YEtxLXlft8wHL8=',X'01861DD139F9155258EF7EDE9D9F60BADE429CC3949CDB276EC2463796A4CA3D62F26B1510B965286BD021F9F170AB629B03BB09A8B764AE9EE7F63E35',1795252458);
INSERT INTO "credential" VALUES(4,2,'password','password','saslprep','$argon2id$v=19$m=19456,t=2,p=1$fxDhVbavryf8sIMGA1V4ww$PAF9/p7pfQ8AJ/s4NzHkWbmsZ6KwTXbdmoR+y011fP8','SCRAM-SHA-256$10000:95F3eCeuP2jwVPWeGv9Pug==$dGhGTs5sj2t/TxRee/X3b3nTyaTYcwxfDPVIjA/4nLg=:keeSD5+WZb2Bw5Fl3VbmpEcNE/bXYJBFj5VTL8kvzzI=',NULL,1795252459);
CREATE TABLE meta (
        key     TEXT PRIMARY KEY,
        value   BLOB NOT NULL
    ) STRICT;
INSERT INTO "meta" VALUES('seal-check',X'29DFE65686B3B6ACEA50E20E74367151DB5837C46502DB6F8A7CC3BE8B82414C');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('account',2);
INSERT INTO "sqlite_sequence" VALUES('credential',4);
COMMIT;
PRAGMA user_version = 1;
