import { PasswordForm } from "./PasswordForm";
import styles from "./Administration.module.css";
import { Tokens } from "./Tokens";

/** What belongs to the signed-in person. */
export function Account() {
  return (
    <>
      <Tokens />
      <section className={styles.section} aria-label="Your password">
        <div>
          <h2>Your password</h2>
          <p>Changing it ends every other session of yours.</p>
        </div>
        <PasswordForm />
      </section>
    </>
  );
}
