// Every page works without this script.
for (const form of document.querySelectorAll("form[data-submit-at-once]")) {
  form.submit();
}

const show = document.getElementById("show-password");
if (show) {
  const password = document.getElementById("password");
  const reveal = (visible) => {
    password.type = visible ? "text" : "password";
    show.setAttribute("aria-pressed", visible);
  };
  show.hidden = false;
  show.addEventListener("click", () => reveal(password.type === "password"));
  // A browser that offers to save the password looks for a field of this type.
  show.form.addEventListener("submit", () => reveal(false));
}
